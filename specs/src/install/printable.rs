//! Text of a machine, made fit for records and screens.

/// One line of at most `limit` characters without control characters and terminal sequences.
///
/// What a program prints can move cursors, change titles and make a terminal answer; in a status,
/// an event or a table it must be text and nothing else.
#[must_use]
pub fn printable(line: &str, limit: usize) -> String {
    let mut text = String::new();
    let mut count = 0;
    let mut rest = line.trim_end().chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            skip_sequence(&mut rest);
            continue;
        }
        let c = match c {
            '\t' => ' ',
            // Bidirectional overrides reorder what is around them.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => continue,
            c if c.is_control() => continue,
            c => c,
        };
        if count == limit {
            text.push('…');
            break;
        }
        text.push(c);
        count += 1;
    }
    text
}

/// Skips what follows an escape: `[ ... letter`, `] ... BEL or ESC \`, or one character.
fn skip_sequence(rest: &mut std::iter::Peekable<impl Iterator<Item = char>>) {
    match rest.next() {
        Some('[') => while rest.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {},
        Some(']') => {
            while let Some(c) = rest.next() {
                if c == '\u{7}' || (c == '\u{1b}' && rest.next().is_some()) {
                    break;
                }
            }
        }
        _ => {}
    }
}
