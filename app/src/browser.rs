//! What only a browser has: its storage, its clock, its boxes. On the server each of these does nothing, so
//! that the same handlers compile for both.

use leptos::{
    wasm_bindgen::JsCast,
    web_sys::{self, Element},
};

#[cfg(feature = "browser")]
pub use here::*;
#[cfg(not(feature = "browser"))]
pub use nowhere::*;

/// The element at which an event happened.
pub fn target(event: &web_sys::Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

/// A box on the screen, CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Area {
    /// From the window's left edge.
    pub left: f64,
    /// From the window's top edge.
    pub top: f64,
    /// From left to right.
    pub width: f64,
    /// From top to bottom.
    pub height: f64,
}

#[cfg(feature = "browser")]
mod here {
    use super::Area;
    use leptos::{
        prelude::{document, window},
        wasm_bindgen::JsCast,
    };
    use protocol::url_path;
    pub use web_sys::File;
    use web_sys::{Element, FileList, FormData, HtmlElement, HtmlFormElement, HtmlInputElement, Storage};

    fn storage() -> Option<Storage> {
        window().local_storage().ok().flatten()
    }

    /// What was kept under this name, in this browser, by pages under this base path: another server may have its
    /// own beside it.
    pub fn recall(name: &str) -> Option<String> {
        storage()?.get_item(&url_path(name)).ok().flatten()
    }

    /// Keeps a text under a name; where the browser keeps nothing (a private window), nothing happens.
    pub fn remember(name: &str, text: &str) {
        if let Some(storage) = storage() {
            _ = storage.set_item(&url_path(name), text);
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms() -> u64 {
        js_sys::Date::now() as u64
    }

    /// The same, in parts of a millisecond.
    pub fn clock_ms() -> f64 {
        js_sys::Date::now()
    }

    /// Pictures that the browser keeps decoded.
    pub type Held = Vec<web_sys::HtmlImageElement>;

    /// Fetches pictures ahead.
    pub fn preload(addresses: Vec<String>) -> Held {
        let image = |address: String| {
            let image = web_sys::HtmlImageElement::new().ok()?;
            image.set_src(&address);
            // Decoding is asked for, not waited for: the promise is the browser's own.
            _ = image.decode();
            Some(image)
        };
        addresses.into_iter().filter_map(image).collect()
    }

    /// A key that no other form has.
    pub fn random_key() -> String {
        let half = || (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
        format!("{:08x}{:08x}", half(), half())
    }

    /// Whether nobody sees the page.
    pub fn hidden() -> bool {
        document().hidden()
    }

    /// Where an element is.
    pub fn area(element: &Element) -> Area {
        let rect = element.get_bounding_client_rect();
        Area { left: rect.left(), top: rect.top(), width: rect.width(), height: rect.height() }
    }

    /// Sets a property of an element's style, by the one way that a strict policy allows.
    pub fn style(element: &Element, property: &str, value: &str) {
        if let Some(element) = element.dyn_ref::<HtmlElement>() {
            _ = element.style().set_property(property, value);
        }
    }

    /// The first element that a selector finds.
    pub fn find(selector: &str) -> Option<Element> {
        document().query_selector(selector).ok().flatten()
    }

    /// Every element that a selector finds.
    pub fn find_all(selector: &str) -> Vec<Element> {
        let Ok(found) = document().query_selector_all(selector) else { return Vec::new() };
        (0..found.length()).filter_map(|i| found.get(i)?.dyn_into().ok()).collect()
    }

    /// Lets time pass.
    pub async fn wait(milliseconds: u32) {
        gloo_timers::future::TimeoutFuture::new(milliseconds).await;
    }

    /// Goes to another page of this server.
    pub fn go(path: &str) {
        _ = window().location().set_href(&url_path(path));
    }

    /// Changes the address of this page, which stays.
    pub fn show_address(path: &str) {
        if let Ok(history) = window().history() {
            _ = history.replace_state_with_url(&leptos::wasm_bindgen::JsValue::NULL, "", Some(&url_path(path)));
        }
    }

    /// Opens a panel by its id.
    pub fn open(id: &str) {
        if let Some(panel) = find(&format!("#{id}")).and_then(|panel| panel.dyn_into::<HtmlElement>().ok()) {
            _ = panel.toggle_popover();
        }
    }

    /// Closes a panel by its id.
    pub fn close(id: &str) {
        if let Some(panel) = find(&format!("#{id}")).and_then(|panel| panel.dyn_into::<HtmlElement>().ok()) {
            _ = panel.hide_popover();
        }
    }

    /// Takes what is dragged if it is dropped here.
    pub fn allow_drop(event: &leptos::ev::DragEvent) {
        let is_file = event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0));
        if is_file {
            event.prevent_default();
        }
    }

    /// The files that are dropped.
    pub fn dropped_files(event: &leptos::ev::DragEvent) -> Vec<File> {
        each(event.data_transfer().and_then(|data| data.files()))
    }

    /// The files that are chosen in a field, which is empty again.
    pub fn chosen_files(field: &Element) -> Vec<File> {
        let Some(field) = field.dyn_ref::<HtmlInputElement>() else { return Vec::new() };
        let files = each(field.files());
        // The same file can be chosen a second time.
        field.set_value("");
        files
    }

    fn each(files: Option<FileList>) -> Vec<File> {
        let files = files.into_iter().flat_map(|files| (0..files.length()).filter_map(move |i| files.get(i)));
        files.collect()
    }

    /// What a file is called.
    pub fn file_name(file: &File) -> String {
        file.name()
    }

    /// Sends a file, or nothing; the answer's text, whatever its status.
    pub async fn post_file(path: &str, file: Option<&File>) -> Option<String> {
        let request = gloo_net::http::Request::post(&url_path(path));
        let request = match file {
            Some(file) => request.body(file),
            None => request.build(),
        };
        request.ok()?.send().await.ok()?.text().await.ok()
    }

    /// Presses the button of an act, if it is in the page.
    pub fn click(act: &str) {
        if let Some(button) =
            find(&format!("[data-act={act}]")).and_then(|button| button.dyn_into::<HtmlElement>().ok())
        {
            button.click();
        }
    }

    /// Puts the focus there.
    pub fn focus(selector: &str) {
        if let Some(element) = find(selector).and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            _ = element.focus();
        }
    }

    /// A field of a form by its name, as text.
    pub fn field(form: &Element, name: &str) -> Option<String> {
        let form = form.dyn_ref::<HtmlFormElement>()?;
        FormData::new_with_form(form).ok()?.get(name).as_string()
    }

    /// What stands in a field.
    pub fn value(field: &Element) -> Option<String> {
        js_sys::Reflect::get(field, &"value".into()).ok()?.as_string()
    }

    /// Writes into a field.
    pub fn set_value(field: &Element, value: &str) {
        _ = js_sys::Reflect::set(field, &"value".into(), &value.into());
    }

    /// Writes a field of a form.
    pub fn set_field(form: &Element, name: &str, value: &str) {
        if let Ok(Some(field)) = form.query_selector(&format!("[name=\"{name}\"]")) {
            set_value(&field, value);
        }
    }

    /// Keeps an element's pointer, so that a drag goes on past the element's edge.
    pub fn capture(element: &Element, pointer: i32) {
        _ = element.set_pointer_capture(pointer);
    }

    /// Scrolls an element so that `x` is in the middle of it.
    pub fn scroll_to(element: &Element, left: f64) {
        element.set_scroll_left(left as i32);
    }
}

#[cfg(not(feature = "browser"))]
mod nowhere {
    use super::Area;
    use leptos::web_sys::Element;

    /// Nothing.
    pub fn recall(_: &str) -> Option<String> {
        None
    }
    /// Nothing.
    pub fn remember(_: &str, _: &str) {}
    /// Nothing.
    pub fn random_key() -> String {
        String::new()
    }
    /// Nothing.
    pub fn clock_ms() -> f64 {
        0.0
    }
    /// Nothing.
    pub struct Held;
    /// Nothing.
    pub fn preload(_: Vec<String>) -> Held {
        Held
    }
    /// Nothing.
    pub fn area(_: &Element) -> Area {
        Area::default()
    }
    /// Nothing.
    pub fn style(_: &Element, _: &str, _: &str) {}
    /// Nothing.
    pub fn find(_: &str) -> Option<Element> {
        None
    }
    /// Nothing.
    pub fn find_all(_: &str) -> Vec<Element> {
        Vec::new()
    }
    /// Nothing.
    pub async fn wait(_: u32) {}
    /// Nothing.
    pub fn go(_: &str) {}
    /// Nothing.
    pub fn show_address(_: &str) {}
    /// Nothing.
    pub fn open(_: &str) {}
    /// Nothing.
    pub fn close(_: &str) {}
    /// Nothing.
    pub fn allow_drop(_: &leptos::ev::DragEvent) {}
    /// Nothing.
    pub struct File;
    /// Nothing.
    pub fn dropped_files(_: &leptos::ev::DragEvent) -> Vec<File> {
        Vec::new()
    }
    /// Nothing.
    pub fn chosen_files(_: &Element) -> Vec<File> {
        Vec::new()
    }
    /// Nothing.
    pub fn file_name(_: &File) -> String {
        String::new()
    }
    /// Nothing.
    pub async fn post_file(_: &str, _: Option<&File>) -> Option<String> {
        None
    }
    /// Nothing.
    pub fn click(_: &str) {}
    /// Nothing.
    pub fn focus(_: &str) {}
    /// Nothing.
    pub fn field(_: &Element, _: &str) -> Option<String> {
        None
    }
    /// Nothing.
    pub fn value(_: &Element) -> Option<String> {
        None
    }
    /// Nothing.
    pub fn set_value(_: &Element, _: &str) {}
    /// Nothing.
    pub fn set_field(_: &Element, _: &str, _: &str) {}
    /// Nothing.
    pub fn capture(_: &Element, _: i32) {}
    /// Nothing.
    pub fn scroll_to(_: &Element, _: f64) {}
}
