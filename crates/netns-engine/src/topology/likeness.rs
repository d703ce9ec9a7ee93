//! Which known word a mistyped one may stand for.

/// Returns the word that needs the fewest changes of a letter, two at most.
#[must_use]
pub fn most_alike<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if found.len() > LONGEST {
        return None;
    }
    let most = if found.chars().count() <= 3 { 1 } else { 2 };
    let close = known.filter(|word| word.len() <= LONGEST && word.len().abs_diff(found.len()) <= most);
    let changes = close.map(|word| (changes(found, word), word));
    changes.filter(|(changes, _)| *changes <= most).min_by_key(|(changes, _)| *changes).map(|(_, word)| word)
}

/// Counts the letters to add, drop or replace (Levenshtein's distance); a swap of two neighbours counts as one.
fn changes(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=to.len()).collect();
    for (row, letter) in from.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, other) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != other);
            let mut fewest = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            let swapped = row > 0 && column > 0 && from[row - 1] == *other && to[column - 1] == *letter;
            if swapped {
                fewest = fewest.min(before[column - 1] + 1);
            }
            next.push(fewest);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_understood() {
        let keys = ["networks", "nodes", "links", "checks"];
        for (slip, meant) in
            [("network", "networks"), ("ndoes", "nodes"), ("link", "links"), ("cheks", "checks")]
        {
            assert_eq!(most_alike(slip, keys.into_iter()), Some(meant));
        }
        assert_eq!(most_alike("volumes", keys.into_iter()), None);
        assert_eq!(most_alike(&"x".repeat(1000), keys.into_iter()), None);
    }
}
