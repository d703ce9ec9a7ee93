//! A web server with one page.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

/// More than any request for one small page needs, in bytes.
const LONGEST_REQUEST: usize = 8 * 1024;

/// Answers one request with a page that names the client as the server sees it, and closes.
///
/// The address on the page is the lesson: behind NAT it is the host's.
pub(super) fn answer(client: &mut TcpStream) -> io::Result<()> {
    let seen_as = client.peer_addr()?.ip().to_canonical();
    if !read_head(client)? {
        return Ok(());
    }
    let page = format!("Hello from the pretend internet. You come from {seen_as}.\n");
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        page.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(page.as_bytes())
}

/// Reads up to the empty line that ends a request's head (RFC 9112); false if it never comes.
fn read_head(client: &mut TcpStream) -> io::Result<bool> {
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while head.len() < LONGEST_REQUEST {
        let length = client.read(&mut buffer)?;
        if length == 0 {
            return Ok(false);
        }
        head.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if head.windows(4).any(|end| end == b"\r\n\r\n") {
            return Ok(true);
        }
    }
    Ok(false)
}
