//! How deep a JSON document goes, found out while it arrives and without building anything of it.

/// Counts brackets outside of texts. Says nothing about whether it is JSON at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Depth {
    depth: usize,
    deepest: usize,
    in_text: bool,
    escaped: bool,
}

impl Depth {
    /// The next bytes of the document.
    pub fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match (self.in_text, byte) {
                (true, _) if self.escaped => self.escaped = false,
                (true, b'\\') => self.escaped = true,
                (_, b'"') => self.in_text = !self.in_text,
                (false, b'[' | b'{') => {
                    self.depth += 1;
                    self.deepest = self.deepest.max(self.depth);
                }
                (false, b']' | b'}') => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Levels so far.
    pub fn levels(&self) -> usize {
        self.deepest
    }

    /// Levels of a whole document.
    pub fn of(bytes: &[u8]) -> usize {
        let mut depth = Depth::default();
        depth.feed(bytes);
        depth.levels()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn levels(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
            Value::Object(map) => 1 + map.values().map(levels).max().unwrap_or(0),
            _ => 0,
        }
    }

    fn documents() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i64>().prop_map(Value::from),
            "[\\[\\]{}\"\\\\a-c]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec(("[\\[{\"\\\\a]{0,6}", inner), 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_is_as_deep_as_the_parser_finds_it(document in documents(), cut in 1_usize..7) {
            let text = document.to_string();
            let mut depth = Depth::default();
            text.as_bytes().chunks(cut).for_each(|chunk| depth.feed(chunk));
            prop_assert_eq!(depth.levels(), levels(&document));
            prop_assert_eq!(Depth::of(text.as_bytes()), levels(&document));
        }

        #[test]
        fn nothing_makes_it_fall_over(bytes: Vec<u8>) {
            let _ = Depth::of(&bytes);
        }
    }
}
