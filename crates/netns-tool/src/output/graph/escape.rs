//! Free text (network names, command lines, checks) made harmless for each format.

/// For XML and HTML, between tags and in quoted attributes.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // XML 1.0 allows no other control characters, not even escaped; nor these two.
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// For a quoted string of the DOT language: a backslash begins an escape, `\N` is a node's name, and
/// Graphviz reads entities of HTML in every label.
pub(super) fn dot(text: &str) -> String {
    shown(text).replace('&', "&amp;").replace('\\', "\\\\").replace('"', "\\\"")
}

/// For a quoted label of Mermaid, which reads `#` codes and, in labels, HTML and Markdown.
pub(super) fn mermaid(text: &str) -> String {
    let is_plain = |c: char| !c.is_ascii_punctuation() || ".,/:-()=+%".contains(c);
    let code = |c: char| if is_plain(c) { c.to_string() } else { format!("#{};", u32::from(c)) };
    shown(text).chars().map(code).collect()
}

/// For a terminal: control characters are shown, not sent.
pub(super) fn shown(text: &str) -> String {
    let escape = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// At most `most` characters, the last an ellipsis where some are left out.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}
