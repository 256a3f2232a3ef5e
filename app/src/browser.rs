//! Browser APIs: storage, clock, layout, DOM. On the server they do nothing, so that the same handlers compile for both.

use leptos::{
    wasm_bindgen::JsCast,
    web_sys::{self, Element},
};

#[cfg(feature = "browser")]
pub use here::*;
#[cfg(not(feature = "browser"))]
pub use nowhere::*;

/// The target of an event.
pub fn target(event: &web_sys::Event) -> Option<Element> {
    event.target()?.dyn_into().ok()
}

/// A bounding box, CSS pixels.
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

impl Area {
    /// Whether the pointer is inside, or outside by at most `margin`.
    pub fn is_near(self, event: &leptos::ev::MouseEvent, margin: f64) -> bool {
        let (x, y) = (f64::from(event.client_x()) - self.left, f64::from(event.client_y()) - self.top);
        (-margin..=self.width + margin).contains(&x) && (-margin..=self.height + margin).contains(&y)
    }
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

    /// Reads a text from the browser's storage. The key includes the base path, because two servers can share an origin.
    pub fn recall(name: &str) -> Option<String> {
        storage()?.get_item(&url_path(name)).ok().flatten()
    }

    /// Stores a text under a key. Does nothing if the browser has no storage (a private window).
    pub fn remember(name: &str, text: &str) {
        if let Some(storage) = storage() {
            _ = storage.set_item(&url_path(name), text);
        }
    }

    /// Milliseconds since 1970.
    pub fn now_ms() -> u64 {
        js_sys::Date::now() as u64
    }

    /// Milliseconds since this time (RFC 3339); none if it is in the future.
    pub fn ms_since(time: &str) -> Option<u64> {
        let passed = js_sys::Date::now() - js_sys::Date::parse(time);
        (passed >= 0.0).then_some(passed as u64)
    }

    /// Milliseconds since 1970, with fractions.
    pub fn clock_ms() -> f64 {
        js_sys::Date::now()
    }

    /// Images that stay decoded while this is held.
    pub type Held = Vec<web_sys::HtmlImageElement>;

    /// Preloads images.
    pub fn preload(addresses: Vec<String>) -> Held {
        let image = |address: String| {
            let image = web_sys::HtmlImageElement::new().ok()?;
            image.set_src(&address);
            // Starts to decode; nobody waits for the promise.
            _ = image.decode();
            Some(image)
        };
        addresses.into_iter().filter_map(image).collect()
    }

    /// Fetches and decodes a picture in an image outside the page. Returns whether it can be shown.
    pub async fn decoded(address: &str) -> bool {
        let Ok(image) = web_sys::HtmlImageElement::new() else { return false };
        image.set_src(address);
        wasm_bindgen_futures::JsFuture::from(image.decode()).await.is_ok()
    }

    /// A random idempotency key.
    pub fn random_key() -> String {
        let half = || (js_sys::Math::random() * f64::from(u32::MAX)) as u32;
        format!("{:08x}{:08x}", half(), half())
    }

    /// Whether the page is hidden.
    pub fn hidden() -> bool {
        document().hidden()
    }

    /// The bounding box of an element.
    pub fn area(element: &Element) -> Area {
        let rect = element.get_bounding_client_rect();
        Area { left: rect.left(), top: rect.top(), width: rect.width(), height: rect.height() }
    }

    /// Sets a style property by CSSOM, which a strict content security policy allows.
    pub fn style(element: &Element, property: &str, value: &str) {
        if let Some(element) = element.dyn_ref::<HtmlElement>() {
            _ = element.style().set_property(property, value);
        }
    }

    /// The first element that matches a selector.
    pub fn find(selector: &str) -> Option<Element> {
        document().query_selector(selector).ok().flatten()
    }

    /// All elements that match a selector.
    pub fn find_all(selector: &str) -> Vec<Element> {
        let Ok(found) = document().query_selector_all(selector) else { return Vec::new() };
        (0..found.length()).filter_map(|i| found.get(i)?.dyn_into().ok()).collect()
    }

    /// Waits.
    pub async fn wait(milliseconds: u32) {
        gloo_timers::future::TimeoutFuture::new(milliseconds).await;
    }

    /// Navigates to another page of this server.
    pub fn go(path: &str) {
        _ = window().location().set_href(&url_path(path));
    }

    /// Replaces the address without navigation.
    pub fn show_address(path: &str) {
        if let Ok(history) = window().history() {
            _ = history.replace_state_with_url(&leptos::wasm_bindgen::JsValue::NULL, "", Some(&url_path(path)));
        }
    }

    /// Toggles a popover by its id.
    pub fn open(id: &str) {
        if let Some(panel) = find(&format!("#{id}")).and_then(|panel| panel.dyn_into::<HtmlElement>().ok()) {
            _ = panel.toggle_popover();
        }
    }

    /// Hides a popover by its id.
    pub fn close(id: &str) {
        if let Some(panel) = find(&format!("#{id}")).and_then(|panel| panel.dyn_into::<HtmlElement>().ok()) {
            _ = panel.hide_popover();
        }
    }

    /// Allows files to be dropped on the event's target.
    pub fn allow_drop(event: &leptos::ev::DragEvent) {
        let is_file = event.data_transfer().is_some_and(|data| data.types().includes(&"Files".into(), 0));
        if is_file {
            event.prevent_default();
        }
    }

    /// The dropped files.
    pub fn dropped_files(event: &leptos::ev::DragEvent) -> Vec<File> {
        each(event.data_transfer().and_then(|data| data.files()))
    }

    /// The files chosen in a field, which is emptied.
    pub fn chosen_files(field: &Element) -> Vec<File> {
        let Some(field) = field.dyn_ref::<HtmlInputElement>() else { return Vec::new() };
        let files = each(field.files());
        // Else choosing the same file again would fire no event.
        field.set_value("");
        files
    }

    fn each(files: Option<FileList>) -> Vec<File> {
        let files = files.into_iter().flat_map(|files| (0..files.length()).filter_map(move |i| files.get(i)));
        files.collect()
    }

    /// A file's name.
    pub fn file_name(file: &File) -> String {
        file.name()
    }

    /// Posts a file or an empty body. Returns the text of the response with any status.
    pub async fn post_file(path: &str, file: Option<&File>) -> Option<String> {
        let request = gloo_net::http::Request::post(&url_path(path));
        let request = match file {
            Some(file) => request.body(file),
            None => request.build(),
        };
        request.ok()?.send().await.ok()?.text().await.ok()
    }

    /// Posts JSON. Returns the text of the response with any status.
    pub async fn post_json(path: &str, json: String) -> Option<String> {
        let request = gloo_net::http::Request::post(&url_path(path)).header("content-type", "application/json");
        request.body(json).ok()?.send().await.ok()?.text().await.ok()
    }

    /// A file's content as text.
    pub async fn file_text(file: &File) -> Option<String> {
        wasm_bindgen_futures::JsFuture::from(file.text()).await.ok()?.as_string()
    }

    /// Focuses the first element that matches a selector.
    pub fn focus(selector: &str) {
        if let Some(element) = find(selector).and_then(|element| element.dyn_into::<HtmlElement>().ok()) {
            _ = element.focus();
        }
    }

    /// Scrolls an element into view, if it is not.
    pub fn reveal(selector: &str) {
        let options = web_sys::ScrollIntoViewOptions::new();
        options.set_block(web_sys::ScrollLogicalPosition::Nearest);
        if let Some(element) = find(selector) {
            element.scroll_into_view_with_scroll_into_view_options(&options);
        }
    }

    /// The value of a form's field as it would be posted.
    pub fn field(form: &Element, name: &str) -> Option<String> {
        let form = form.dyn_ref::<HtmlFormElement>()?;
        FormData::new_with_form(form).ok()?.get(name).as_string()
    }

    /// The `value` of a form's field, also of a disabled one, which would not be posted. Empty for a checkbox that is off.
    pub fn field_value(form: &Element, name: &str) -> Option<String> {
        let field = form.query_selector(&format!("[name=\"{name}\"]")).ok()??;
        match field.matches(CHECKBOX) == Ok(true) && field.matches(":checked") == Ok(false) {
            true => Some(String::new()),
            false => value(&field),
        }
    }

    /// Disables a control, with the reason as its tooltip, or enables it.
    pub fn set_disabled(control: &Element, reason: Option<&str>) {
        for (name, value) in [("disabled", reason.map(|_| "")), ("title", reason)] {
            _ = match value {
                Some(value) => control.set_attribute(name, value),
                None => control.remove_attribute(name),
            };
        }
    }

    /// The `value` of an element.
    pub fn value(field: &Element) -> Option<String> {
        js_sys::Reflect::get(field, &"value".into()).ok()?.as_string()
    }

    /// Sets the `value` of an element.
    pub fn set_value(field: &Element, value: &str) {
        _ = js_sys::Reflect::set(field, &"value".into(), &value.into());
    }

    /// Sets the value of a form's field. A checkbox is on with any value.
    pub fn set_field(form: &Element, name: &str, value: &str) {
        if let Ok(Some(field)) = form.query_selector(&format!("[name=\"{name}\"]")) {
            match field.matches(CHECKBOX) == Ok(true) {
                true => _ = js_sys::Reflect::set(&field, &"checked".into(), &(!value.is_empty()).into()),
                false => set_value(&field, value),
            }
        }
    }

    const CHECKBOX: &str = "[type=checkbox]";

    /// Captures a pointer, so that a drag continues outside the element.
    pub fn capture(element: &Element, pointer: i32) {
        _ = element.set_pointer_capture(pointer);
    }

    /// Scrolls an element horizontally to this position, CSS pixels.
    pub fn scroll_to(element: &Element, left: f64) {
        element.set_scroll_left(left as i32);
    }
}

#[cfg(not(feature = "browser"))]
mod nowhere {
    use super::Area;
    use leptos::web_sys::Element;

    /// Does nothing on the server.
    pub fn recall(_: &str) -> Option<String> {
        None
    }
    /// Does nothing on the server.
    pub fn remember(_: &str, _: &str) {}
    /// Does nothing on the server.
    pub fn random_key() -> String {
        String::new()
    }
    /// None on the server.
    pub fn ms_since(_: &str) -> Option<u64> {
        None
    }
    /// Does nothing on the server.
    pub fn clock_ms() -> f64 {
        0.0
    }
    /// Empty on the server.
    pub struct Held;
    /// Does nothing on the server.
    pub fn preload(_: Vec<String>) -> Held {
        Held
    }
    /// Does nothing on the server.
    pub async fn decoded(_: &str) -> bool {
        false
    }
    /// Does nothing on the server.
    pub fn area(_: &Element) -> Area {
        Area::default()
    }
    /// Does nothing on the server.
    pub fn style(_: &Element, _: &str, _: &str) {}
    /// Does nothing on the server.
    pub fn find(_: &str) -> Option<Element> {
        None
    }
    /// Does nothing on the server.
    pub fn find_all(_: &str) -> Vec<Element> {
        Vec::new()
    }
    /// Does nothing on the server.
    pub async fn wait(_: u32) {}
    /// Does nothing on the server.
    pub fn go(_: &str) {}
    /// Does nothing on the server.
    pub fn show_address(_: &str) {}
    /// Does nothing on the server.
    pub fn open(_: &str) {}
    /// Does nothing on the server.
    pub fn close(_: &str) {}
    /// Does nothing on the server.
    pub fn allow_drop(_: &leptos::ev::DragEvent) {}
    /// Empty on the server.
    pub struct File;
    /// Does nothing on the server.
    pub fn dropped_files(_: &leptos::ev::DragEvent) -> Vec<File> {
        Vec::new()
    }
    /// Does nothing on the server.
    pub fn chosen_files(_: &Element) -> Vec<File> {
        Vec::new()
    }
    /// Does nothing on the server.
    pub fn file_name(_: &File) -> String {
        String::new()
    }
    /// Does nothing on the server.
    pub async fn post_file(_: &str, _: Option<&File>) -> Option<String> {
        None
    }
    /// Does nothing on the server.
    pub async fn post_json(_: &str, _: String) -> Option<String> {
        None
    }
    /// Does nothing on the server.
    pub async fn file_text(_: &File) -> Option<String> {
        None
    }
    /// Does nothing on the server.
    pub fn focus(_: &str) {}
    /// Does nothing on the server.
    pub fn reveal(_: &str) {}
    /// Does nothing on the server.
    pub fn field(_: &Element, _: &str) -> Option<String> {
        None
    }
    /// Does nothing on the server.
    pub fn field_value(_: &Element, _: &str) -> Option<String> {
        None
    }
    /// Does nothing on the server.
    pub fn set_disabled(_: &Element, _: Option<&str>) {}
    /// Does nothing on the server.
    pub fn value(_: &Element) -> Option<String> {
        None
    }
    /// Does nothing on the server.
    pub fn set_value(_: &Element, _: &str) {}
    /// Does nothing on the server.
    pub fn set_field(_: &Element, _: &str, _: &str) {}
    /// Does nothing on the server.
    pub fn capture(_: &Element, _: i32) {}
    /// Does nothing on the server.
    pub fn scroll_to(_: &Element, _: f64) {}
}
