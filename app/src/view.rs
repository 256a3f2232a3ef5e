//! Views whose types are forgotten. Each closure in a view is an effect type of its own, about 1.5 kB of
//! WASM; these make many views share one.

use leptos::{
    prelude::*,
    tachys::{reactive_graph::OwnedView, view::keyed::keyed},
};
use std::sync::Arc;

/// A text that changes: as a child or an attribute, one type for all.
pub fn words(read: impl Fn() -> String + Send + Sync + 'static) -> Signal<String> {
    Signal::derive(read)
}

/// A part of the page that is made anew whenever what it reads changes.
pub fn dynamic(make: impl Fn() -> AnyView + Send + Sync + 'static) -> AnyView {
    fn erased(make: Arc<dyn Fn() -> AnyView + Send + Sync>) -> AnyView {
        (move || make()).into_any()
    }
    erased(Arc::new(make))
}

/// A list that keeps the parts whose ids stay. Its parts see no context.
///
/// Not `<For>`: there each part's owner is a child of the list's, which keeps a pointer to every child that it ever
/// had. It was 270 bytes for each clip that was scrolled into sight.
pub fn list(ids: Signal<Vec<i64>>, item: impl Fn(i64) -> AnyView + Send + Sync + 'static) -> AnyView {
    fn erased(ids: Signal<Vec<i64>>, item: Arc<dyn Fn(i64) -> AnyView + Send + Sync>) -> AnyView {
        let of_list = Owner::current().unwrap_or_default();
        let part = move |_, id| {
            // The server keeps each page's signals apart by its owners, and its lists do not change.
            let owner = if cfg!(feature = "ssr") { of_list.with(Owner::new) } else { unowned() };
            let view = owner.with(|| item(id));
            (drop, OwnedView::new_with_owner(view, owner))
        };
        (move || keyed(ids.get(), |id: &i64| *id, part.clone())).into_any()
    }
    erased(ids, Arc::new(item))
}

/// An owner that lives as long as the view that it is given to.
fn unowned() -> Owner {
    let current = Owner::current();
    let owner = Owner::new_root(Owner::current_shared_context());
    if let Some(current) = current {
        current.set();
    }
    owner
}

/// Nothing.
pub fn nothing() -> AnyView {
    ().into_any()
}

/// A button that says what it wants to whoever listens above it.
pub fn button(class: &'static str, act: &'static str, id: impl ToString, label: impl Into<String>) -> AnyView {
    fn erased(class: &'static str, act: &'static str, id: String, label: String) -> AnyView {
        view! { <button class=class type="button" data-act=act data-id=id>{label}</button> }.into_any()
    }
    erased(class, act, id.to_string(), label.into())
}

/// The same, with a drawing in place of words.
pub fn icon_button(
    act: &'static str,
    id: impl ToString,
    label: &'static str,
    icon: crate::components::Icon,
) -> AnyView {
    fn erased(act: &'static str, id: String, label: &'static str, icon: crate::components::Icon) -> AnyView {
        view! {
            <button class="icon-button" type="button" data-act=act data-id=id aria-label=label title=label>
                {icon.view()}
            </button>
        }
        .into_any()
    }
    erased(act, id.to_string(), label, icon)
}

/// A link to the list of projects.
pub fn home_link(class: &'static str, label: Option<&'static str>, content: impl IntoAny) -> AnyView {
    fn erased(class: &'static str, label: Option<&'static str>, content: AnyView) -> AnyView {
        view! { <a class=class href=protocol::url_path("/") aria-label=label>{content}</a> }.into_any()
    }
    erased(class, label, content.into_any())
}

/// A button that also works without script: it posts its id to a server function.
pub fn post_button(
    class: &'static str,
    path: &'static str,
    act: &'static str,
    id: impl ToString,
    label: &'static str,
) -> AnyView {
    fn erased(class: &'static str, path: &'static str, act: &'static str, id: String, label: &'static str) -> AnyView {
        view! {
            <form class="inline-form" method="post" action=protocol::url_path(path)>
                <input type="hidden" name="id" value=id.clone()/>
                <button class=class type="submit" data-act=act data-id=id>{label}</button>
            </form>
        }
        .into_any()
    }
    erased(class, path, act, id.to_string(), label)
}

/// A text as the content of a `<textarea>` or a `<title>`. The server writes what stands there as it is: a `</textarea>` in a
/// note would end the field and go on as markup. The browser sets it as text, which nothing can leave.
pub fn in_textarea(text: &str) -> String {
    if cfg!(feature = "ssr") { text.replace('&', "&amp;").replace('<', "&lt;") } else { text.to_owned() }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_textarea() {
        let text = "</textarea><script>alert(1)</script> & <b>";
        let page = view! { <textarea>{in_textarea(text)}</textarea> }.to_html();
        let inside = page.strip_prefix("<textarea>").and_then(|rest| rest.strip_suffix("</textarea>"));
        assert_eq!(inside, Some("&lt;/textarea>&lt;script>alert(1)&lt;/script> &amp; &lt;b>"));
    }
}
