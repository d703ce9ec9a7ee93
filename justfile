# https://just.systems: 'just' lists these.

_list:
    @just --list --unsorted

# The guided tour of the main job
demo:
    cargo run --release -- demo

# Everything that CI looks at
ci:
    .ci/run

# All tests, with the programs they need
test *ARGUMENTS:
    ./test {{ARGUMENTS}}

# Form and lints
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Dependencies, security advisories included
deny:
    cargo deny check

# The book, in target/book
book:
    mdbook build docs

# Accept changed command-line snapshots and plan cases, to be reviewed with git diff
accept:
    SNAPSHOTS=overwrite cargo test --workspace

# 'connect' beside ip + iptables and netavark, the doctor beside what is typed by hand, and whole networks beside the floor and others: medians and ratios of one run
bench:
    cargo bench -p netns-tool --bench connect
    cargo bench -p netns-tool --bench doctor
    cargo bench -p netns-testkit --bench topology
