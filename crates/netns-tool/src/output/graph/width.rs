//! How wide text is, without a font at hand: widths of the widest fonts that viewers fall back to.
//!
//! `DejaVu Sans` is wider than Helvetica, Arial, Segoe and the like; what fits in it fits in them.

/// The width of `text` in a proportional font of `size` pixels.
pub(super) fn proportional(text: &str, size: f64) -> f64 {
    text.chars().map(|c| f64::from(thousandths(c))).sum::<f64>() * size / 1000.0
}

/// The width of `text` in a font of `size` pixels whose characters are all alike.
pub(super) fn monospaced(text: &str, size: f64) -> f64 {
    text.chars().map(|c| if is_wide(c) { 1.21 } else { 0.605 }).sum::<f64>() * size
}

fn thousandths(c: char) -> u16 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' => 310,
        ' ' | '.' | ',' | ':' | ';' | '!' => 350,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' | 'I' => 440,
        'c' | 's' | 'k' | 'z' | 'x' | 'v' | 'y' | 'J' => 610,
        'm' => 1050,
        'w' | 'M' | 'O' | 'Q' | 'G' | 'D' | 'N' | 'H' | 'U' | '+' | '=' | '<' | '>' | '~' => 870,
        'W' | '@' | '%' | '—' | '…' | '→' => 1100,
        'A'..='Z' => 740,
        c if is_wide(c) => 1250,
        _ => 680,
    }
}

/// East Asian scripts and pictographs, roughly.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' | '\u{ff00}'..='\u{ff60}' | '\u{1f000}'..)
}
