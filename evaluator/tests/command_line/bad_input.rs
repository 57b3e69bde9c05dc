//! Bad input: named with file and line, or tolerated with a warning; never a panic.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use super::scores::benchmark;
use super::{evaluator, failure, path, stdout, write};

/// Every command that reads a file of data.
const READERS: [&[&str]; 4] = [
    &["score", "--detector", "silent", "--csv"],
    &["sweep", "--detector", "silent", "--csv"],
    &["tune", "--csv"],
    &["replay", "--url", "http://127.0.0.1:1", "--csv"],
];

#[test]
fn a_malformed_file_is_named_by_every_command_that_reads_it() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&str, &[u8], &str); 12] = [
        ("empty", b"", "no rows"),
        ("blank", b"\n\n\n", "no rows"),
        ("header", b"timestamp,value\n", "no rows"),
        ("no_time", b"when,value\n1,2\n", "line 1: column `timestamp`"),
        ("no_value", b"timestamp,count\n1,2\n", "line 1: column `value`"),
        ("bad_time", b"timestamp,value\n1,2\nnoon,3\n", "line 3: timestamp `noon`"),
        ("bad_value", b"timestamp,value\n1,2\n2,much\n", "line 3: value `much`"),
        ("bad_label", b"timestamp,value,label\n1,2,0\n2,3,GET /\n", "line 3: label `GET /`"),
        ("short", b"timestamp,value,label\n1,2,0\n2\n", "line 3: value ``"),
        ("not_utf8", b"timestamp,value\n1,2\n\xff\xfe,3\n", "line 3"),
        ("utf16", b"\xff\xfet\0i\0m\0e\0", "utf16.csv"),
        ("zeros", b"\0\0\0\0\n\0\0\n", "line 1: column `timestamp`"),
    ];
    for (name, bytes, words) in cases {
        let file = path(&folder, &format!("{name}.csv"));
        fs::write(&file, bytes).unwrap();
        for reader in READERS {
            let (code, stderr) = failure(&[reader, &[file.as_str()]].concat());
            assert_eq!(code, 3, "{reader:?} {name}: {stderr}");
            assert!(
                stderr.contains(&file) && stderr.contains(words),
                "{reader:?} {name}: {stderr}"
            );
        }
    }
}

#[test]
fn a_missing_file_and_a_folder_instead_of_a_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let (root, missing) = (folder.path().to_str().unwrap(), path(&folder, "missing"));
    for reader in READERS {
        for wrong in [root, missing.as_str()] {
            let (code, stderr) = failure(&[reader, &[wrong]].concat());
            assert!(code == 3 && stderr.contains(wrong), "{reader:?} {wrong}: {stderr}");
        }
    }
}

#[test]
fn a_missing_folder_an_empty_one_and_a_file_instead_of_a_folder_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "a.txt", "timestamp,value\n1,2\n");
    let (root, missing) = (folder.path().to_str().unwrap(), path(&folder, "missing"));
    for command in
        [["score", "--folder"], ["sweep", "--folder"], ["tune", "--folder"], ["score", "--nab"]]
    {
        for wrong in [root, missing.as_str(), file.as_str()] {
            let (code, stderr) = failure(&[command[0], command[1], wrong]);
            assert!(code == 3 && stderr.contains(wrong), "{command:?} {wrong}: {stderr}");
        }
    }
}

#[test]
fn wrong_labels_of_the_benchmark_are_named() {
    let folder = benchmark();
    let root = folder.path().to_str().unwrap();
    let window = |first: &str, last: &str| {
        format!(r#"{{"one/a.csv": [["{first}", "{last}"]], "two/a.csv": []}}"#)
    };
    let cases = [
        ("{".to_owned(), "combined_windows.json"),
        (r#"{"one/a.csv": []}"#.to_owned(), "`two/a.csv`"),
        (window("noon", "2020-01-02 00:00:00"), "`noon` is not a time"),
        (window("2030-01-01 00:00:00", "2030-01-02 00:00:00"), "no row is between"),
    ];
    for (text, words) in cases {
        fs::write(folder.path().join("labels/combined_windows.json"), &text).unwrap();
        let (code, stderr) = failure(&["score", "--nab", root]);
        assert!(code == 3 && stderr.contains(words), "{text}: {stderr}");
    }
    fs::remove_dir_all(folder.path().join("data")).unwrap();
    let (code, stderr) = failure(&["score", "--nab", root]);
    assert!(code == 3 && stderr.contains("data"), "{stderr}");
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> =
        (0..50).map(|i| format!("{},{},{}", i * 60, i % 7, i32::from(i == 40))).collect();
    let plain = format!("timestamp,value,label\n{}\n", rows.join("\n"));
    let score = |text: &str| {
        let file = write(&folder, "a.csv", text);
        stdout(&["score", "--csv", &file, "--untimed", "--csv-out", "-"])
    };
    let expected = score(&plain);
    for odd in [
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        format!("\u{feff}{}", plain.replace('\n', "\r\n").replace("timestamp", "\"timestamp\"")),
        plain.trim_end().to_owned(),
        plain.replace(',', " , "),
    ] {
        assert_eq!(score(&odd), expected, "{odd:?}");
    }
}

#[test]
fn nan_infinite_huge_unsorted_and_repeated_rows_are_named_and_survived_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let rows = (500..520).map(|i| format!("{i},{},0\n", i % 3)).collect::<Vec<_>>().concat();
    let text = format!(
        "timestamp,value,label\n100,1,0\n200,nan,0\n300,inf,1\n400,1,0\n400,2,0\n50,1e308,1\n{rows}"
    );
    let file = write(&folder, "a.csv", &text);
    let others: [&[&str]; 3] = [
        &["score", "--kpi", "--csv", &file],
        &["sweep", "--kpi", "--csv", &file],
        &["tune", "--csv", &file],
    ];
    for arguments in others {
        let output = evaluator(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        for words in [
            "a.csv` line 3: 3 rows",
            "a.csv` line 6: 1 rows repeat",
            "a.csv` line 7: 1 rows step back",
        ] {
            assert!(stderr.contains(words), "{arguments:?}: {stderr}");
        }
    }
}

#[test]
fn a_file_of_which_most_rows_cannot_be_judged_fails_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let rows = (0..600)
        .map(|i| format!("{},{}\n", 1_700_000_000 + i / 3, i % 7))
        .collect::<Vec<_>>()
        .concat();
    let file = write(&folder, "a.csv", &format!("timestamp,value\n{rows}"));
    for reader in READERS {
        let (code, stderr) = failure(&[reader, &[file.as_str()]].concat());
        assert!(
            code == 3 && stderr.contains("400 of 600 rows repeat the time"),
            "{reader:?}: {stderr}"
        );
    }
}

#[test]
fn rows_that_were_not_judged_are_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let value = |i: i32| if i % 10 == 0 { "null".to_owned() } else { (i % 7).to_string() };
    // The newest row first, times in nanoseconds.
    let rows = (0..600)
        .rev()
        .map(|i| format!("{}000000000;{}\n", 1_700_000_000 + i * 60, value(i)))
        .collect::<Vec<_>>()
        .concat();
    let file = write(&folder, "a.csv", &format!("timestamp;value\n{rows}"));
    let score = |more: &[&str]| {
        stdout(&[&["score", "--csv", &file, "--detector", "deviation"], more].concat())
    };
    let verdicts = score(&["--verdicts", "-"]);
    let is_judged = |line: &&str| !line.contains("learning") && !line.contains("not_a_sample");
    let n_judged = verdicts.lines().skip(1).filter(is_judged).count();
    assert!((480..540).contains(&n_judged), "{n_judged}");
    let record: serde_json::Value = serde_json::from_str(&score(&["--json", "-"])).unwrap();
    let row = &record["rows"][0];
    assert_eq!(
        (row["n_judged"].as_u64(), row["n_unjudged"].as_u64()),
        (Some(n_judged as u64), Some(600 - n_judged as u64))
    );
    let counted: u64 = [&row["point"], &row["first_day"]["point"]]
        .iter()
        .flat_map(|point| ["tp", "tn", "fp", "fn"].map(|name| point[name].as_u64().unwrap()))
        .sum();
    assert_eq!(counted, n_judged as u64);
}

#[test]
fn a_password_in_an_argument_is_neither_printed_nor_stored() {
    let folder = tempfile::tempdir().unwrap();
    let (_, stderr) = failure(&["score", "--csv", "redis://:secret@localhost:6379/a.csv"]);
    assert!(stderr.contains("redis://:***@localhost") && !stderr.contains("secret"), "{stderr}");
    let file = write(&folder, "a.csv", "timestamp,value\n1,2\n2,3\n");
    fs::create_dir_all(path(&folder, "redis:")).unwrap();
    let record = path(&folder, "redis://:secret@localhost");
    let page = path(&folder, "page.html");
    stdout(&["score", "--csv", &file, "--detector", "silent", "--json", &record, "--html", &page]);
    for stored in [&record, &page] {
        let text = fs::read_to_string(stored).unwrap();
        assert!(text.contains("redis://:***@localhost") && !text.contains("secret"), "{stored}");
    }
}

#[test]
fn a_single_row_is_a_series() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "a.csv", "timestamp,value,label\n100,1,1\n");
    let page = path(&folder, "r.html");
    stdout(&["score", "--kpi", "--csv", &file, "--html", &page]);
    stdout(&["sweep", "--csv", &file]);
    stdout(&["tune", "--csv", &file]);
    stdout(&["score", "--csv", &file, "--write-scores", &path(&folder, "scores")]);
}

#[test]
fn a_system_without_certificates_is_no_reason_not_to_ask() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "few.csv", "timestamp,value\n1,2\n2,3\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let deployment = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let n_bytes = stream.read(&mut [0; 4096]).unwrap();
        assert!(n_bytes > 0);
        stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let output = Command::new(env!("CARGO_BIN_EXE_evaluator"))
        .args(["replay", "--url", &url, "--csv", &file])
        .envs([("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("401"), "{stderr}");
    deployment.join().unwrap();
}

#[test]
fn a_redirect_is_followed_nowhere_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "few.csv", "timestamp,value\n1,2\n2,3\n");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let location = format!("{url}/elsewhere");
    let deployment = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let n_bytes = stream.read(&mut [0; 4096]).unwrap();
        assert!(n_bytes > 0);
        let head =
            format!("HTTP/1.1 308 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        drop(stream);
        // A request that follows the redirect would connect again while the evaluator runs.
        listener
    });
    let (code, stderr) = failure(&["replay", "--url", &url, "--csv", &file]);
    assert_eq!(code, 3);
    assert!(stderr.contains("answered 308: it redirects to `http://"), "{stderr}");
    let listener = deployment.join().unwrap();
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "the redirect was followed");
}
