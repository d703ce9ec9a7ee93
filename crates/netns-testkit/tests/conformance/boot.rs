//! Files that outlive a reboot: who wrote one decides what may become of it.

use netns_engine::{
    boot::{BootFile, BootPart},
    observed::Scope,
    plan::Operation,
};
use netns_testkit::sh;

use crate::operations::netns_name;

/// Of the machine's own folders, a throw-away host sees what is in them, and cannot write there.
const FOLDERS: &str = "
    for folder in systemd sysctl.d; do
        mkdir -p /etc/$folder
        mount -t tmpfs tmpfs /etc/$folder
    done
    mkdir /etc/systemd/system";

/// The files of somebody else; a folder where a file should be is none of ours, either.
const OF_OTHERS: &str = "
    echo mine > /etc/systemd/system/netns-tool-lab.service
    mkdir /etc/systemd/system/multi-user.target.wants
    ln -s /dev/null /etc/systemd/system/multi-user.target.wants/netns-tool-lab.service
    mkdir /etc/netns-tool
    printf '\\377' > /etc/netns-tool/lab.yaml";

/// All that the operations here can reach.
pub(crate) fn everything() -> Scope {
    Scope { boot_files: ["lab", "other"].map(netns_name).into(), ..Scope::default() }
}

/// What is there before, and the operations, by what they show.
pub(crate) fn told() -> Vec<(&'static str, &'static str, Vec<Operation>)> {
    let in_order = BootPart::ALL.map(|part| write("lab", part));
    let once_more = BootPart::ALL.map(|part| write("lab", part));
    let backwards = BootPart::ALL.map(|part| remove("lab", part)).into_iter().rev();
    let removed_twice = BootPart::ALL.map(|part| remove("lab", part));
    vec![
        (
            "a_file_stays_until_it_is_removed",
            "",
            in_order.into_iter().chain(once_more).chain(backwards).chain(removed_twice).collect(),
        ),
        (
            "topologies_share_folders_and_nothing_else",
            "",
            vec![
                write("lab", BootPart::Topology),
                write("other", BootPart::Topology),
                write("lab", BootPart::Wanted),
                write("other", BootPart::Wanted),
                remove("lab", BootPart::Wanted),
                remove("lab", BootPart::Topology),
                remove("other", BootPart::Topology),
                remove("other", BootPart::Wanted),
                write("lab", BootPart::Wanted),
            ],
        ),
        (
            "a_file_of_somebody_else_is_neither_replaced_nor_removed",
            OF_OTHERS,
            BootPart::ALL
                .into_iter()
                .flat_map(|part| [remove("lab", part), write("lab", part), remove("lab", part)])
                .collect(),
        ),
    ]
}

/// Makes room for the files, with what is there before.
pub(crate) fn prepare(before: &str) {
    sh(&format!("{FOLDERS}\n{before}"));
}

fn file(topology: &str, part: BootPart) -> BootFile {
    BootFile { topology: netns_name(topology), part }
}

fn write(topology: &str, part: BootPart) -> Operation {
    let file = file(topology, part);
    let text = match part {
        BootPart::Wanted => file.unit().path(),
        BootPart::Topology | BootPart::Forwarding | BootPart::Unit => file.mark() + "name: lab\n",
    };
    Operation::WriteBootFile(file, text)
}

fn remove(topology: &str, part: BootPart) -> Operation {
    Operation::RemoveBootFile(file(topology, part))
}
