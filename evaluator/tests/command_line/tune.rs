//! Tests of `tune`: recommendations, their reports, and requests to a deployment.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::JoinHandle;

use super::{ROLLING_ZSCORE, evaluator, failure, path, read, stdout, write};

/// 2,000 minutes around 100 with a wide spike of 200 in every 250, labeled or not, and a small spike of 115 in every 60.
fn history(label: &str) -> String {
    let row = |i: i64| {
        let is_spike = i % 250 == 200;
        let value = if is_spike {
            200
        } else if i % 60 == 7 {
            115
        } else {
            100 + i * 7 % 11
        };
        let label = match label {
            "" => String::new(),
            _ => format!(",{}", u8::from(is_spike)),
        };
        format!("{},{value}{label}\n", 1_700_000_000 + i * 60)
    };
    let rows = (0..2_000).map(row).collect::<Vec<_>>().concat();
    format!("timestamp,value{label}\n{rows}")
}

/// The rolling z-score as the default, which alarms on the small spikes, and a variant with a threshold above them.
const CHOICE: [&str; 4] = ["--default", ROLLING_ZSCORE, "--candidate", STRICT];
const STRICT: &str = "zscore:window=50,threshold=5,self=included";

/// A deployment with these answers, one connection each; returns the requests.
fn deployment(answers: &'static [(u16, &'static str)]) -> (String, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serve = move || answers.iter().map(|answer| answer_one(&listener, *answer)).collect();
    (url, std::thread::spawn(serve))
}

fn answer_one(listener: &TcpListener, (status, body): (u16, &str)) -> String {
    let (mut stream, _) = listener.accept().unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut len) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
        head += &line;
    }
    let mut request = vec![0; len];
    reader.read_exact(&mut request).unwrap();
    write!(
        stream,
        "HTTP/1.1 {status} Status\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    format!("{}\n{}", head.lines().next().unwrap(), String::from_utf8(request).unwrap())
}

#[test]
fn a_cell_of_the_table_is_never_a_formula() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "=cmd|' -C calc'!A0.csv", &history(",label"));
    let table = stdout(&[&["tune", "--csv", &file, "--csv-out", "-"], &CHOICE[..]].concat());
    let mut lines = csv::Reader::from_reader(table.as_bytes());
    let line = lines.records().next().unwrap().unwrap();
    assert_eq!(&line[0], "'=cmd|' -C calc'!A0");
}

#[test]
fn a_detector_that_is_better_on_the_held_out_half_is_recommended_with_its_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "rps.csv", &history(",label"));
    let json = path(&folder, "t.json");
    let table =
        stdout(&[&["tune", "--csv", &file, "--json", &json, "--table"], &CHOICE[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&read(&json)).unwrap();
    let one = &report["series"][0];
    assert_eq!((one["series"].as_str(), one["basis"].as_str()), (Some("rps"), Some("labels")));
    let recommended = one["recommended"].as_str().unwrap();
    assert_eq!(one["chosen"]["detector"], recommended);
    assert_eq!(one["default"]["detector"], ROLLING_ZSCORE);
    let f1 = |who: &str| one[who]["held_out"]["event_f1"].as_f64().unwrap();
    assert!(f1("chosen") > f1("default"), "{one}");
    assert!(table.contains(&format!("rps (labels): {recommended}")), "{table}");
    assert!(!table.contains("Without labels"), "{table}");
}

#[test]
fn without_a_better_candidate_the_default_stays_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "rps.csv", &history(",label"));
    let table = stdout(&["tune", "--csv", &file, "--candidate", "zscore:threshold=9999"]);
    assert!(table.contains("rps (labels): the default stays"), "{table}");
    let same = ["--default", ROLLING_ZSCORE, "--candidate", ROLLING_ZSCORE, "--csv-out", "-"];
    let csv = stdout(&[&["tune", "--csv", &file], &same[..]].concat());
    assert!(csv.starts_with("series,basis,recommended,default,chosen,reason,default_first_days,"));
    assert!(csv.contains("\nrps,labels,,\"zscore:"), "{csv}");
}

#[test]
fn without_labels_only_the_rate_of_alarms_is_checked_with_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "rps.csv", &history(""));
    let tune = |budget: &str| {
        let arguments = ["tune", "--csv", &file, "--false-alarms-per-day", budget];
        stdout(&[&arguments[..], &CHOICE].concat())
    };
    let none = tune("0");
    assert!(none.contains("rps (no labels): the default stays"), "{none}");
    assert!(none.contains("no candidate is within 0 alarms a day"), "{none}");
    let some = tune("9");
    assert!(some.contains("rps (no labels): zscore:window=50,threshold=5"), "{some}");
    assert!(some.contains("Without labels only the rate of alarms can be checked"), "{some}");
}

#[test]
fn the_answers_of_people_in_a_deployment_are_labels() {
    let answer = |i: i64| {
        let at_ms = 1_000 * (1_700_000_000 + i * 60);
        format!(
            r#"{{"source":"checkout","metric":"rps","labels":{{}},"start":{at_ms},"end":{at_ms},
                "verdict":"missed","signals":["deviation"],"given":0}}"#
        )
    };
    let answers: Vec<String> = (0..8).map(|i| answer(i * 250 + 200)).collect();
    let page = |answers: &[String], next: &str| -> &'static str {
        format!(r#"{{"feedback":[{}],"next":{next}}}"#, answers.join(",")).leak()
    };
    let pages = [(200, page(&answers[..5], "\"a&b\"")), (200, page(&answers[5..], "null"))];
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "rps.csv", &history(""));
    let key = write(&folder, "key.txt", "tmk_key");
    let (url, asked) = deployment(Vec::from(pages).leak());
    let named = ["--labels-from", &url, "--source", "checkout", "--api-key-file", &key];
    let table = stdout(&[&["tune", "--csv", &file], &named[..], &CHOICE].concat());
    assert!(table.contains("rps (labels): zscore:window=50,threshold=5"), "{table}");
    let asked = asked.join().unwrap();
    let heads = asked.iter().map(|request| request.lines().next().unwrap());
    let expected = ["GET /feedback HTTP/1.1", "GET /feedback?cursor=a%26b HTTP/1.1"];
    assert_eq!(heads.collect::<Vec<_>>(), expected);

    let (url, asked) = deployment(&[(403, "{}")]);
    let (_, failed) = failure(&["score", "--csv", &file, "--labels-from", &url]);
    assert!(failed.contains("read the labels of `--labels-from`"), "{failed}");
    asked.join().unwrap();
}

#[test]
fn a_recommendation_is_sent_to_a_deployment() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "rps.csv", &history(",label"));
    let (url, asked) = deployment(&[(200, "{}")]);
    let apply =
        ["tune", "--csv", &file, "--apply", "--url", &url, "--map", "rps=check out/http/rps"];
    let output = evaluator(&[&apply[..], &CHOICE].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.contains("stored: check out/http/rps"), "{stderr}");
    let asked = asked.join().unwrap();
    let (head, body) = asked[0].split_once('\n').unwrap();
    assert_eq!(head, "PUT /series/config?source=check+out&metric=http%2Frps HTTP/1.1");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    let detector = body["detector"].as_str().unwrap();
    assert!(table.contains(&format!("rps (labels): {detector}")), "{table}");
    assert_eq!(body.as_object().unwrap().len(), 1);
}

#[test]
fn what_a_deployment_refuses_is_shown_and_exits_with_3_and_an_absent_one_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "rps.csv", &history(",label"));
    let (url, asked) =
        deployment(&[(422, r#"{"code":"detector_invalid","detail":"no such detector"}"#)]);
    let apply = |url: &str| {
        evaluator(&[&["tune", "--csv", &file, "--apply", "--url", url], &CHOICE[..]].concat())
    };
    let output = apply(&url);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("detector_invalid: no such detector"), "{stderr}");
    assert!(asked.join().unwrap()[0].starts_with("PUT /series/config?source=default&metric=rps "));
    let output = apply("http://127.0.0.1:1");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && stderr.contains("did not answer"), "{stderr}");
}

#[test]
fn a_default_that_stays_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "rps.csv", &history(",label"));
    let silent = ["--candidate", "zscore:threshold=9999", "--apply", "--url", "http://127.0.0.1:1"];
    let output = evaluator(&[&["tune", "--csv", &file], &silent[..]].concat());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.contains("0 of 1 series stored"), "{stderr}");
}

#[test]
fn tune_refuses_what_it_cannot_mean() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(&folder, "a.csv", "timestamp,value\n1,2\n2,3\n");
    let other = write(&folder, "b.csv", "timestamp,value\n1,2\n2,3\n");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["tune"], 2, "--csv"),
        (&["tune", "--csv", &file, "--apply"], 2, "--url"),
        (&["tune", "--csv", &file, "--candidate", "oracle"], 2, "oracle"),
        (&["tune", "--csv", &file, "--false-alarms-per-day", "NaN"], 3, "0 or more"),
        (&["tune", "--csv", &file, "--map", "x=a/b"], 3, "`x`"),
        (&["tune", "--csv", &file, &other, "--metric", "rps"], 3, "use `--map` for each"),
    ];
    for (arguments, code, words) in cases {
        let (actual, stderr) = failure(arguments);
        assert!(actual == code && stderr.contains(words), "{arguments:?}: {actual} {stderr}");
    }
}
