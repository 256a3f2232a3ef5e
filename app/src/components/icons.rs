//! The few drawings that the page has, all on a 16-pixel grid.

use leptos::prelude::*;

/// A drawing.
#[derive(Clone, Copy)]
pub enum Icon {
    /// A screen: as the system says.
    System,
    /// A moon.
    Dark,
    /// A sun.
    Light,
    /// A pencil.
    Rename,
    /// A bin.
    Delete,
    /// A cross.
    Close,
    /// Back to where one came from.
    Back,
}

impl Icon {
    fn path(self) -> &'static str {
        match self {
            Self::System => "M2 3h12v8H2ZM5.5 13.5h5",
            Self::Dark => "M13.5 9.6A6 6 0 0 1 6.4 2.5a6 6 0 1 0 7.1 7.1Z",
            Self::Light => {
                "M8 5.25a2.75 2.75 0 1 0 0 5.5 2.75 2.75 0 0 0 0-5.5ZM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15\
                 M3.05 3.05l1.06 1.06M11.89 11.89l1.06 1.06M3.05 12.95l1.06-1.06M11.89 4.11l1.06-1.06"
            }
            Self::Rename => {
                "M2.75 13.25 3.5 10l7.25-7.25a1.4 1.4 0 0 1 2 0l.5.5a1.4 1.4 0 0 1 0 2L6 12.5ZM9.5 4l2.5 2.5"
            }
            Self::Delete => "M2.5 4.25h11M6.25 4V2.5h3.5V4M4 4.5l.6 9h6.8l.6-9M6.75 7v4M9.25 7v4",
            Self::Close => "m4 4 8 8M12 4l-8 8",
            Self::Back => "M9.75 3.25 5 8l4.75 4.75",
        }
    }

    /// The drawing, in the colour of the text around it; its button says what it means.
    pub fn view(self) -> impl IntoView {
        view! {
            <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
                <path d=self.path()/>
            </svg>
        }
    }
}

/// The product's mark: a line with an ember at its end.
#[component]
pub fn Mark() -> impl IntoView {
    view! {
        <svg class="mark" viewBox="0 0 28 16" aria-hidden="true">
            <path class="mark-line" d="M1 8h17"/>
            <circle class="mark-ember" cx="22" cy="8" r="4"/>
        </svg>
    }
}
