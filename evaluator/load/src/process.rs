//! Reads processor time and memory of a process from `/proc`; reports omit both on systems without `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;

/// Clock ticks a second in `/proc`: 100 on all architectures of Linux.
const TICKS_PER_S: f64 = 100.0;

/// State of a listening socket.
const LISTENING: &str = "0A";

/// Usage of a process.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct ProcessUsage {
    /// Processor time since its start, in seconds.
    pub(crate) cpu_s: f64,
    /// Resident memory.
    pub(crate) resident_bytes: u64,
}

/// Usage of a process; `None` if it has ended.
pub(crate) fn usage(pid: u32) -> Option<ProcessUsage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some(ProcessUsage { cpu_s: cpu_s(&stat)?, resident_bytes: resident_bytes(&status)? })
}

/// Fields 14 and 15 of `stat`, counted behind the name, which may hold anything.
fn cpu_s(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = |field: usize| rest.split_whitespace().nth(field)?.parse::<u64>().ok();
    Some((ticks(11)? + ticks(12)?) as f64 / TICKS_PER_S)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1_024)
}

/// The name of a process.
pub(crate) fn name(pid: u32) -> Option<String> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim().to_owned())
}

/// The processes of this machine that listen on an address of the loopback.
pub(crate) fn listening_on(address: SocketAddr) -> Vec<u32> {
    if !address.ip().is_loopback() {
        return Vec::new();
    }
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
    let sockets: BTreeSet<String> =
        tables.iter().flatten().flat_map(|table| listeners(table, address.port())).collect();
    if sockets.is_empty() { Vec::new() } else { holders(&sockets) }
}

/// Link texts of the sockets that listen on a port.
fn listeners(table: &str, port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    let socket = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_listener = fields.get(1)?.ends_with(&port) && *fields.get(3)? == LISTENING;
        is_listener.then(|| format!("socket:[{}]", fields.get(9).copied().unwrap_or_default()))
    };
    table.lines().skip(1).filter_map(socket).collect()
}

fn holders(sockets: &BTreeSet<String>) -> Vec<u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |pid: &u32| {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let mut links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.any(|link| link.to_str().is_some_and(|link| sockets.contains(link)))
    };
    pids.filter(holds).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_shifts_no_field() {
        let stat = "17 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 4 0 100 0 0";
        assert_eq!(cpu_s(stat), Some(3.0));
        assert_eq!(cpu_s("17"), None);
    }

    #[test]
    fn a_listening_process_is_found_by_its_port() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let me = std::process::id();
        assert!(listening_on(address).contains(&me));
        let usage = usage(me).unwrap();
        assert!(usage.resident_bytes > 1 << 20, "{usage:?}");
        drop(listener);
        assert!(!listening_on(address).contains(&me));
        assert_eq!(listening_on("192.0.2.1:80".parse().unwrap()), Vec::<u32>::new());
    }
}
