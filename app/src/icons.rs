//! The icons, drawn on a 16-pixel grid.

use crate::view::Erase;
use leptos::prelude::*;

/// An icon.
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
    /// An arrow to the previous page.
    Back,
    /// A plus.
    Plus,
    /// A minus.
    Minus,
    /// A triangle: play.
    Play,
    /// Two bars.
    Pause,
    /// To the frame before.
    Before,
    /// To the frame after.
    After,
    /// A circle that closes.
    Loop,
    /// An arrow back.
    Undo,
    /// An arrow forward.
    Redo,
    /// Two sheets.
    Onion,
    /// Lines of a list.
    Queue,
    /// A clock that goes back.
    History,
    /// A window with a panel at its left.
    Left,
    /// A window with a panel at its right.
    Right,
    /// An arrow out of a box.
    Export,
    /// Two frames.
    Copy,
    /// Sliders.
    Settings,
    /// A page of lines.
    Log,
    /// A key.
    Keys,
    /// A mountain and a sun in a frame.
    Picture,
    /// An empty frame with a plus.
    Blank,
    /// A frame that is ticked.
    Mark,
    /// Two halves.
    Compare,
    /// Dots of a drag handle.
    Grip,
    /// An arrow out of a door.
    SignOut,
    /// Books on a shelf.
    Library,
    /// A star.
    Star,
    /// A pin.
    Pin,
    /// Four pictures in a square.
    Wall,
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
            Self::Plus => "M8 3v10M3 8h10",
            Self::Minus => "M3 8h10",
            Self::Play => "M5 3.25v9.5L12.75 8Z",
            Self::Pause => "M5.25 3.5v9M10.75 3.5v9",
            Self::Before => "M4 3.5v9M12 3.5v9L6.25 8Z",
            Self::After => "M12 3.5v9M4 3.5v9L9.75 8Z",
            Self::Loop => "M13 8a5 5 0 1 1-1.5-3.55M11.75 2v2.75H9",
            Self::Undo => "M5.5 3 2.75 5.75 5.5 8.5M3 5.75h6.5a3.5 3.5 0 0 1 0 7H6",
            Self::Redo => "M10.5 3l2.75 2.75L10.5 8.5M13 5.75H6.5a3.5 3.5 0 0 0 0 7H10",
            Self::Onion => "M2.5 5.5h8v8h-8ZM5.5 5V2.5h8v8H11",
            Self::Queue => "M2.5 4h11M2.5 8h11M2.5 12h6",
            Self::History => "M3 5.5A5.5 5.5 0 1 1 2.5 8M2.75 2.5v3h3M8 5v3.25l2.25 1.25",
            Self::Left => "M2 3h12v10H2ZM6 3v10",
            Self::Right => "M2 3h12v10H2ZM10 3v10",
            Self::Export => "M8 10V2M5 4.75 8 1.75l3 3M2.5 9.5v4h11v-4",
            Self::Copy => "M2.5 4.5h7v9h-7ZM6.5 2.5h7v9h-2",
            Self::Settings => {
                "M2.5 5h6M12 5h1.5M2.5 11H4M7.5 11h6M10.25 3.25a1.75 1.75 0 1 1 0 3.5 1.75 1.75 0 0 1 0-3.5ZM5.75 9.25a1.75 1.75 0 1 1 0 3.5 1.75 1.75 0 0 1 0-3.5Z"
            }
            Self::Log => "M3 2.5h10v11H3ZM5.5 5.5h5M5.5 8h5M5.5 10.5h3",
            Self::Keys => "M1.75 4h12.5v8H1.75ZM4 6.5h.5M7 6.5h.5M10 6.5h.5M5 9.5h6",
            Self::Picture => "M2 3h12v10H2ZM2.5 12l4-4.5 3 3.25L11.5 9l2.25 2.5M10.5 5.75h.5",
            Self::Blank => "M2 3h12v10H2ZM8 5.5v5M5.5 8h5",
            Self::Mark => "M2.5 2.5h11v11h-11ZM5.25 8l2 2 3.5-4",
            Self::Compare => "M2 3h12v10H2ZM8 1.5v13M8 13 14 7M8 9l5.5-5.5",
            Self::Grip => "M6 4h.5M9.5 4h.5M6 8h.5M9.5 8h.5M6 12h.5M9.5 12h.5",
            Self::SignOut => "M9.5 2.5h-6v11h6M6.5 8h7.5M11.25 5.25 14 8l-2.75 2.75",
            Self::Library => "M2.5 2.5h3v11h-3ZM5.5 2.5h3v11h-3ZM9.1 3.3l2.9-.8 2.4 10.2-2.9.8Z",
            Self::Star => "m8 1.9 1.85 3.9 4.25.55-3.1 2.95.8 4.2L8 11.45 4.2 13.5l.8-4.2-3.1-2.95 4.25-.55Z",
            Self::Pin => "M5.5 2.5h5M6.25 2.5v4L4 9.25h8L9.75 6.5v-4M8 9.25v4.25",
            Self::Wall => "M2.5 2.5H7V7H2.5ZM9 2.5h4.5V7H9ZM2.5 9H7v4.5H2.5ZM9 9h4.5v4.5H9Z",
            Self::Back => "M9.75 3.25 5 8l4.75 4.75",
        }
    }

    /// The drawing, in the colour of the surrounding text. It is hidden from screen readers: its button has a label.
    pub fn view(self) -> AnyView {
        view! {
            <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
                <path d=self.path()/>
            </svg>
        }
        .erase()
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
    .erase()
}
