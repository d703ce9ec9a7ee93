//! Pictures of a topology: one model of what there is to see, and a file per format that draws it.

mod dot;
mod escape;
mod html;
mod layout;
mod mermaid;
mod picture;
mod survey;
mod svg;
mod svg_line;
#[cfg(test)]
mod tests;
mod text;
mod theme;
mod width;

pub(crate) use picture::Picture;
pub(crate) use survey::picture;

/// In which form a topology is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Drawing {
    /// A tree for the terminal.
    Text,
    /// For Graphviz.
    Dot,
    /// A flowchart that GitHub and many wikis draw.
    Mermaid,
    /// A picture.
    Svg,
    /// A page with the picture, a legend and the same in words; needs nothing else.
    Html,
}

/// Draws `picture`.
pub(crate) fn draw(picture: &Picture, drawing: Drawing) -> String {
    match drawing {
        Drawing::Text => text::draw(picture),
        Drawing::Dot => dot::draw(picture),
        Drawing::Mermaid => mermaid::draw(picture),
        Drawing::Svg => svg::draw(picture),
        Drawing::Html => html::draw(picture),
    }
}
