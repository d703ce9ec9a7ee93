//! Files that are meant to hurt: a clear error, and no more work than the text is long.

use std::fmt::Write;

use super::{good, wrong};
use crate::topology::MAX_BYTES;

#[test]
fn a_file_may_be_only_so_large() {
    let huge = " ".repeat(MAX_BYTES + 1);
    assert_eq!(wrong(&huge), format!("the file is larger than {MAX_BYTES} bytes"));
}

#[test]
fn a_million_nodes_are_too_many() {
    let mut text = "name: lab\nnodes:\n".to_owned();
    (0..1_000_000).for_each(|number| writeln!(text, "  n{number}:").unwrap());
    let error = wrong(&text);
    assert!(error.starts_with("more than 20000 entries in one map"), "{error}");
    let few: String = text.lines().take(10_003).fold(String::new(), |text, line| text + line + "\n");
    let error = wrong(&few);
    assert!(error.starts_with("more than 10000 nodes\n     --> line 10003, column 3"), "{error}");
}

#[test]
fn nesting_ends_somewhere() {
    for opening in ["[", "{a: ", "- "] {
        let text = format!("name: lab\nchecks: {}", opening.repeat(100_000));
        let error = wrong(&text);
        assert!(error.contains("line 2") && error.len() < 500, "{error}");
    }
    let mut indented = "name: lab\nnodes:\n".to_owned();
    (0..1_000).for_each(|depth| writeln!(indented, "{}a:", " ".repeat(depth)).unwrap());
    assert!(wrong(&indented).len() < 500, "{}", wrong(&indented));
}

#[test]
fn aliases_do_not_explode() {
    let mut text = "name: lab\nchecks:\n- &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (last, next) in ('a'..'y').zip('b'..'z') {
        writeln!(text, "- &{next} [{}]", vec![format!("*{last}"); 10].join(", ")).unwrap();
    }
    assert!(wrong(&text).len() < 500, "{}", wrong(&text));
    // The same where the form allows lists of lists.
    let text = text.replace("checks:\n", "nodes:\n  a:\n    run:\n").replace("- &", "    - &");
    assert!(wrong(&text).len() < 500, "{}", wrong(&text));
    // And where each repetition is right in itself.
    let mut text = "name: lab\nnetworks:\n  br0:\nnodes:\n  n: &n { networks: [br0] }\n".to_owned();
    (0..20_000).for_each(|number| writeln!(text, "  n{number}: *n").unwrap());
    assert!(wrong(&text).len() < 500, "{}", wrong(&text));
}

#[test]
fn huge_words_are_shown_in_part_only() {
    let word = "x".repeat(1_000_000);
    for text in [
        format!("name: {word}"),
        format!("{word}: 1"),
        format!("name: lab\nnodes: {{ {word}: }}"),
        format!("name: lab\nnodes: {{ a: {{ ports: [\"{word}\"] }} }}"),
        format!("name: lab\nlinks: [\"{}\"]", "a-".repeat(500_000)),
        format!("name: lab\nchecks: [\"{}\"]", "a ".repeat(500_000)),
    ] {
        let error = wrong(&text);
        assert!(error.len() < 1000, "{} bytes: {}", error.len(), error.chars().take(300).collect::<String>());
    }
}

#[test]
fn control_characters_never_reach_the_terminal() {
    for text in [
        "name: \"\u{1b}[31mlab\"",
        "name: lab\n\"\\e[31m\": 1",
        "name: lab\nlinks: [\"\\e-b\"]",
        "name: \u{7}",
    ] {
        let error = wrong(text);
        assert!(!error.contains(|c: char| c.is_control() && c != '\n'), "{error:?}");
    }
}

#[test]
fn rules_stop_before_they_make_too_much() {
    for rule in [
        "tree: { depth: 99, fanout: 9 }",
        "tree: { depth: 18446744073709551615, fanout: 1 }",
        "tree: { depth: 1, fanout: 18446744073709551615 }",
        "mesh: 18446744073709551615",
        "mesh: 9999",
        "linear: 10001",
        "star: 10001",
    ] {
        let error = wrong(&format!("name: lab\ngenerate: {{ {rule} }}\n"));
        assert!(error.starts_with("more than"), "{rule}: {error}");
    }
}

#[test]
fn the_largest_network_is_settled() {
    let mut text = "name: lab\nnetworks:\n".to_owned();
    (0..10).for_each(|number| writeln!(text, "  b{number}: {{ subnet: 10.{number}.0.0/16 }}").unwrap());
    text.push_str("nodes:\n");
    for number in 0..10_000 {
        writeln!(text, "  a-node-with-a-long-name-{number}: {{ networks: [b{}] }}", number / 1000).unwrap();
    }
    let topology = good(&text);
    let ends = || topology.cables.iter().flat_map(|cable| &cable.ends);
    let names: std::collections::HashSet<_> = ends().map(|end| &end.at).collect();
    let macs: std::collections::HashSet<_> = ends().map(|end| end.mac).collect();
    assert_eq!((names.len(), macs.len()), (20_000, 20_000), "all are different");
}

#[test]
fn thousands_of_links_are_split_at_one_dash_of_many() {
    const NODES: usize = 10_000;
    let name = |number: usize| format!("a-node-with-a-long-name-{number}");
    let mut text = "name: lab\nnodes:\n".to_owned();
    (0..NODES).for_each(|number| writeln!(text, "  {}:", name(number)).unwrap());
    text.push_str("links:\n");
    (1..NODES).for_each(|number| writeln!(text, "- {}-{}", name(number - 1), name(number)).unwrap());
    let topology = good(&text);
    assert_eq!(topology.cables.len(), NODES - 1);
    for (number, cable) in topology.cables.iter().enumerate() {
        let netns = cable.netns().map(ToString::to_string);
        assert_eq!(netns.collect::<Vec<_>>(), [name(number), name(number + 1)]);
    }
    let error = wrong(&text.replace("- a-node-with-a-long-name-0-", "- a-node-with-a-long-nmae-0-"));
    assert!(error.starts_with("no node or network is called 'a'\n"), "{error}");
}

#[test]
fn thousands_of_cables_share_a_subnet() {
    const CABLES: u32 = 10_000;
    let mut text = "name: lab\nnodes: { a: , b: }\nlinks:\n".to_owned();
    for _ in 0..CABLES {
        text.push_str("- { endpoints: [a, b], subnet: 10.0.0.0/8 }\n");
    }
    let topology = good(&text);
    let ends = topology.cables.iter().flat_map(|cable| &cable.ends);
    let addresses: Vec<_> = ends.flat_map(|end| &end.addresses).map(ToString::to_string).collect();
    let first = u32::from(std::net::Ipv4Addr::new(10, 0, 0, 1));
    let expected = (first..first + 2 * CABLES).map(std::net::Ipv4Addr::from);
    assert_eq!(addresses, expected.map(|address| format!("{address}/8")).collect::<Vec<_>>());
}
