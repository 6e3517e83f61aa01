//! Reads the Prometheus text that this process serves: it is where metrics for a collector are made
//! from too, so the two cannot differ.

/// What the lines of one name say.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Family<'a> {
    pub name: &'a str,
    pub help: String,
    pub kind: Kind,
    /// In the order of the text.
    pub samples: Vec<Sample<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Sample<'a> {
    /// The family's name; of a histogram with `_bucket`, `_sum` or `_count` behind it.
    pub name: &'a str,
    pub labels: Vec<(&'a str, String)>,
    pub value: &'a str,
}

/// A line that is not understood, which would be a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("of the metrics, this line cannot be read: {0}")]
pub(super) struct Unreadable(pub String);

/// All families of a text.
pub(super) fn read(text: &str) -> Result<Vec<Family<'_>>, Unreadable> {
    let mut families: Vec<Family<'_>> = Vec::new();
    let mut help = "";
    for line in text.lines().filter(|line| !line.is_empty()) {
        let read = match (line.strip_prefix("# HELP "), line.strip_prefix("# TYPE ")) {
            // Help stands before the type of the same name.
            (Some(rest), _) => rest.split_once(' ').map(|(_, text)| help = text),
            (_, Some(rest)) => family(rest, std::mem::take(&mut help)).map(|f| families.push(f)),
            _ => families.last_mut().and_then(|family| {
                let sample = sample(line)?;
                family.samples.push(sample);
                Some(())
            }),
        };
        read.ok_or_else(|| Unreadable(line.to_owned()))?;
    }
    Ok(families)
}

fn family<'a>(rest: &'a str, help: &str) -> Option<Family<'a>> {
    let (name, kind) = rest.split_once(' ')?;
    let kind = match kind {
        "counter" => Kind::Counter,
        "gauge" => Kind::Gauge,
        "histogram" => Kind::Histogram,
        _ => return None,
    };
    let help = help.replace("\\n", "\n").replace("\\\\", "\\");
    Some(Family { name, help, kind, samples: Vec::new() })
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    Some(Sample { name, labels, value: value.strip_prefix(' ')? })
}

/// Labels from behind the brace, and what follows them.
fn labels(mut rest: &str) -> Option<(Vec<(&str, String)>, &str)> {
    let mut labels = Vec::new();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((labels, rest));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let (value, after) = unquoted(quoted)?;
        labels.push((name, value));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// A value up to its closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                escaped => escaped,
            }),
            plain => value.push(plain),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use metrics::{Key, Label, Level, Metadata, Recorder};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::{Kind, read};

    const METADATA: Metadata<'static> = Metadata::new("test", Level::INFO, None);

    #[test]
    fn what_the_recorder_writes_is_read_whatever_is_in_a_label() {
        let recorder = PrometheusBuilder::new().set_buckets(&[0.5, 1.0]).unwrap().build_recorder();
        let odd = "a \"quoted\" {brace}, a comma=\"\nand a line";
        let key =
            |name| Key::from_parts(name, vec![Label::new("code", "x"), Label::new("why", odd)]);
        recorder.describe_gauge("depth".into(), None, "How deep\nit is".into());
        recorder.register_gauge(&key("depth"), &METADATA).set(-0.25);
        recorder.register_counter(&Key::from_name("made_total"), &METADATA).increment(u64::MAX);
        recorder.register_histogram(&key("took_seconds"), &METADATA).record(0.7);
        let text = recorder.handle().render();
        let families = read(&text).unwrap();
        let find = |name| families.iter().find(|f| f.name == name).unwrap();

        let depth = find("depth");
        assert_eq!((depth.kind, depth.help.as_str()), (Kind::Gauge, "How deep\nit is"));
        let labels = [("code", "x".to_owned()), ("why", odd.to_owned())];
        assert_eq!(depth.samples[0].labels, labels);
        assert_eq!(depth.samples[0].value, "-0.25");
        let made = find("made_total");
        assert_eq!((made.kind, made.help.as_str()), (Kind::Counter, ""));
        assert_eq!(made.samples[0].value, u64::MAX.to_string());
        let took: Vec<_> = find("took_seconds").samples.iter().map(|s| (s.name, s.value)).collect();
        assert_eq!(
            took,
            [
                ("took_seconds_bucket", "0"),
                ("took_seconds_bucket", "1"),
                ("took_seconds_bucket", "1"),
                ("took_seconds_sum", "0.7"),
                ("took_seconds_count", "1"),
            ]
        );
        assert_eq!(find("took_seconds").samples[2].labels[2], ("le", "+Inf".to_owned()));
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        for line in
            ["orphan 1", "# TYPE a summary", "# TYPE a gauge\na{b=\"c} 1", "# TYPE a gauge\na"]
        {
            let error = read(line).unwrap_err();
            assert_eq!(error.0, line.lines().last().unwrap());
        }
    }
}
