//! What a published port costs, with none and with many others there: to publish it, and for each connection.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use netns_testkit::Sandbox;

use crate::{
    measured::{median_ms, timed},
    times_longer,
    tool::Tool,
};

const FILE: &str = "/run/bench/ports.yaml";
/// The host, seen from the other end of its uplink.
const HOST: &str = "198.51.100.2";
const ROUNDS: usize = 25;
const CONNECTIONS: usize = 2000;

#[derive(Default)]
struct Times {
    publish: Vec<Duration>,
    connect: Vec<Duration>,
}

/// Prints the table. This comes last: what it makes goes with the host.
pub(crate) fn measure(host: &Sandbox, tool: &Tool, others: usize) {
    for command in
        ["create web", "bridge web0 --address 10.99.0.1/24", "connect web web0 --address 10.99.0.2/24"]
    {
        tool.run(command);
    }
    let server = host.inside("web", || TcpListener::bind("10.99.0.2:80").expect("the address is there"));
    tool.run("publish 0.0.0.0:80:web:80");
    write_file(others);
    let (mut alone, mut among) = (Times::default(), Times::default());
    alone.extend(host, tool, &server);
    let brought_up = timed(|| tool.run(&format!("up {FILE}")));
    among.extend(host, tool, &server);
    println!("\n| | with 1 other | with {others} others | ratio |\n|---|---|---|---|");
    let line = |name: &str, alone: &[Duration], among: &[Duration]| {
        let ratio = times_longer(among, alone);
        println!("| {name} | {:.3} | {:.3} | {ratio:.2} |", median_ms(alone), median_ms(among));
    };
    line("publish one more", &alone.publish, &among.publish);
    line("one connection", &alone.connect, &among.connect);
    println!("\n`up` with {others} published ports: {:.0}", median_ms(&[brought_up]));
}

impl Times {
    fn extend(&mut self, host: &Sandbox, tool: &Tool, server: &TcpListener) {
        for _ in 0..ROUNDS {
            self.publish.push(timed(|| tool.run("publish 0.0.0.0:81:web:80")));
            tool.run("unpublish 0.0.0.0:81");
        }
        self.connect.extend(host.beyond_uplink(|| connect(server)));
    }
}

/// How long each connection to the published port takes, from a neighbour on the uplink.
fn connect(server: &TcpListener) -> Vec<Duration> {
    let connections = (0..CONNECTIONS).map(|_| {
        let start = Instant::now();
        let client = TcpStream::connect((HOST, 80)).expect("the port is published");
        let took = start.elapsed();
        drop(server.accept().expect("somebody connected"));
        drop(client);
        took
    });
    connections.collect()
}

fn write_file(ports: usize) {
    let first = 20_000;
    let ports: Vec<_> = (first..first + ports).map(|port| format!("\"0.0.0.0:{port}:80\"")).collect();
    let text = format!(
        "name: ports\nnetworks:\n  ports0: {{ subnet: 10.98.0.0/24 }}\nnodes:\n  many:\n    networks: [ports0]\n    ports: [{}]\n",
        ports.join(", ")
    );
    fs::write(FILE, text).expect("it may");
}
