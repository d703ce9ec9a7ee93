//! How far a long change is: a line on the terminal that redraws itself.

use std::{
    cell::RefCell,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use netns_engine::change::Stage;

/// Nobody needs a progress bar for less.
const PATIENCE: Duration = Duration::from_millis(800);
/// How long a drawn bar stays as it is.
const REDRAW: Duration = Duration::from_millis(50);
const WIDTH: usize = 40;

/// A bar on standard error that appears when a change takes its time.
#[derive(Debug)]
pub(crate) struct ProgressBar {
    visible: Visibility,
    begun: Instant,
    drawn: RefCell<Option<Instant>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Visibility {
    Hidden,
    OnTerminal,
}

impl ProgressBar {
    pub(super) fn new(wanted: Visibility) -> Self {
        let visible = if std::io::stderr().is_terminal() { wanted } else { Visibility::Hidden };
        Self { visible, begun: Instant::now(), drawn: RefCell::new(None) }
    }

    /// Shows how far the change is.
    pub(crate) fn show(&self, stage: Stage) {
        let mut drawn = self.drawn.borrow_mut();
        let is_due = drawn.is_none_or(|at| at.elapsed() >= REDRAW);
        if self.visible == Visibility::OnTerminal && self.begun.elapsed() >= PATIENCE && is_due {
            let full = (WIDTH * stage.done).checked_div(stage.of).unwrap_or(WIDTH);
            let bar = format!("{}{}", "█".repeat(full), "░".repeat(WIDTH.saturating_sub(full)));
            // A terminal that went away needs no bar.
            write!(std::io::stderr(), "\r  {bar} {} of {} steps\x1b[K", stage.done, stage.of).ok();
            *drawn = Some(Instant::now());
        }
    }

    /// Wipes the bar away.
    pub(crate) fn end(&self) {
        if self.drawn.borrow().is_some() {
            write!(std::io::stderr(), "\r\x1b[K").ok();
        }
    }
}
