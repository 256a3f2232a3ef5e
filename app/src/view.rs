//! Helpers that erase the types of views. Each distinct view or closure type costs about 1.5 kB of WASM;
//! erased views share one type.

use leptos::{
    prelude::*,
    tachys::{reactive_graph::OwnedView, view::keyed::keyed},
};
use std::sync::Arc;

/// Erases the type of what `view!` returns.
pub trait Erase {
    /// The view as an [`AnyView`].
    fn erase(self) -> AnyView;
}

impl<T: RenderHtml + Send> Erase for View<T> {
    /// Unlike `into_any` it removes the [`View`] around the root element. A root element and a nested one of the same
    /// kind then share their code.
    fn erase(self) -> AnyView {
        self.into_inner().into_any()
    }
}

/// A reactive text, as a child or an attribute: one type for all of them.
pub fn words(read: impl Fn() -> String + Send + Sync + 'static) -> Signal<String> {
    Signal::derive(read)
}

/// Subscribes to a memo whose value is not needed. `Track::track` does not evaluate the memo: one that nothing else reads then
/// has no sources that could change, and never changes.
pub fn subscribe<T: Send + Sync + 'static>(memo: Memo<T>) {
    memo.with(|_| ());
}

/// A part of the page that is rendered again whenever a signal that it reads changes.
pub fn dynamic(make: impl Fn() -> AnyView + Send + Sync + 'static) -> AnyView {
    fn erased(make: Arc<dyn Fn() -> AnyView + Send + Sync>) -> AnyView {
        (move || make()).into_any()
    }
    erased(Arc::new(make))
}

/// A keyed list: items whose id stays keep their elements. Items have no access to the context.
///
/// Not `<For>`: there each item's owner is a child of the list's owner, which keeps a pointer to every child that it ever
/// had. That leaked 270 bytes for each clip that was scrolled into view.
pub fn list(ids: Signal<Vec<i64>>, item: impl Fn(i64) -> AnyView + Send + Sync + 'static) -> AnyView {
    fn erased(ids: Signal<Vec<i64>>, item: Arc<dyn Fn(i64) -> AnyView + Send + Sync>) -> AnyView {
        let of_list = Owner::current().unwrap_or_default();
        let part = move |_, id| {
            // The server separates the signals of its requests by owner. Its lists do not change.
            let owner = if cfg!(feature = "ssr") { of_list.with(Owner::new) } else { unowned() };
            let view = owner.with(|| item(id));
            (drop, OwnedView::new_with_owner(view, owner))
        };
        (move || keyed(ids.get(), |id: &i64| *id, part.clone())).into_any()
    }
    erased(ids, Arc::new(item))
}

/// A root owner that lives as long as the view that holds it.
fn unowned() -> Owner {
    let current = Owner::current();
    let owner = Owner::new_root(Owner::current_shared_context());
    if let Some(current) = current {
        current.set();
    }
    owner
}

/// An empty view.
pub fn nothing() -> AnyView {
    ().into_any()
}

/// A link to the list of projects.
pub fn home_link(class: &'static str, label: Option<&'static str>, content: impl IntoAny) -> AnyView {
    fn erased(class: &'static str, label: Option<&'static str>, content: AnyView) -> AnyView {
        view! { <a class=class href=protocol::url_path("/") aria-label=label>{content}</a> }.erase()
    }
    erased(class, label, content.into_any())
}

/// A text as the content of a `<textarea>` or a `<title>`. The server does not escape the content of these elements, so that
/// `</textarea>` in a note would end the field and the rest would be markup. The browser sets it as text.
pub fn in_textarea(text: &str) -> String {
    if cfg!(feature = "ssr") { text.replace('&', "&amp;").replace('<', "&lt;") } else { text.to_owned() }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn a_memo_that_nothing_else_reads_is_subscribed_to() {
        Owner::new().with(|| {
            let source = RwSignal::new(1);
            let read_by_nothing = Memo::new(move |_| source.get() * 2);
            let runs = Memo::new(move |runs: Option<&u32>| {
                subscribe(read_by_nothing);
                runs.map_or(1, |runs| runs + 1)
            });
            assert_eq!(runs.get_untracked(), 1);
            source.set(2);
            assert_eq!(runs.get_untracked(), 2);
        });
    }

    #[test]
    fn text_cannot_close_its_textarea() {
        let text = "</textarea><script>alert(1)</script> & <b>";
        let page = view! { <textarea>{in_textarea(text)}</textarea> }.to_html();
        let inside = page.strip_prefix("<textarea>").and_then(|rest| rest.strip_suffix("</textarea>"));
        assert_eq!(inside, Some("&lt;/textarea>&lt;script>alert(1)&lt;/script> &amp; &lt;b>"));
    }
}
