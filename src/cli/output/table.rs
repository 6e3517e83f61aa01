//! Tables: upper-case headers, two spaces between, numbers to the right, nothing wrapped. Too
//! narrow: columns leave from the right; below [`CARD_WIDTH`] each row is a card of two lines.

use unicode_width::UnicodeWidthStr;

use super::style::{Ink, Style};

/// Below this many columns a table is no longer one.
pub const CARD_WIDTH: usize = 60;
const GAP: &str = "  ";
/// Least width of a column whose other rows are not known yet.
const ROW_WIDTH: usize = 12;

/// One field of a row.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    pub text: String,
    pub ink: Ink,
}

impl Cell {
    pub fn new(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), ink: Ink::Plain }
    }

    pub fn ink(mut self, ink: Ink) -> Cell {
        self.ink = ink;
        self
    }

    /// Empty for what is not known or not there.
    pub fn maybe(text: Option<impl Into<String>>) -> Cell {
        text.map_or_else(Cell::default, Cell::new)
    }
}

#[derive(Clone, Copy, Debug)]
struct Column {
    header: &'static str,
    right: bool,
    /// Stays when there is no room; in a card it is on the first line.
    keep: bool,
}

/// Rows under headers.
#[derive(Clone, Debug, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    least: usize,
}

impl Table {
    /// Columns by header; `>COST` is aligned to the right, `*NAME` stays when there is no room.
    pub fn new(headers: &[&'static str]) -> Table {
        let columns = headers.iter().map(|spec| {
            let keep = spec.starts_with('*');
            let spec = spec.trim_start_matches('*');
            let right = spec.starts_with('>');
            Column { header: spec.trim_start_matches('>'), right, keep }
        });
        Table { columns: columns.collect(), rows: Vec::new(), least: 0 }
    }

    pub fn row(&mut self, cells: Vec<Cell>) {
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(cells);
    }

    /// The same with room in each column, for rows that are printed one by one.
    pub fn padded(mut self) -> Table {
        self.least = ROW_WIDTH;
        self
    }

    pub fn render(&self, style: &Style) -> String {
        if style.width < CARD_WIDTH && self.columns.len() > 2 {
            return self.cards(style);
        }
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let widths: Vec<usize> = shown.iter().map(|column| self.width_of(*column)).collect();
        let total = |shown: &[usize]| {
            let gaps = GAP.len() * shown.len().saturating_sub(1);
            shown.iter().map(|column| widths[*column]).sum::<usize>() + gaps
        };
        while total(&shown) > style.width {
            let Some(last) = shown.iter().rposition(|c| !self.columns[*c].keep) else { break };
            shown.remove(last);
        }
        let layout = Layout { columns: &self.columns, shown, widths, style };
        let headers: Vec<Cell> = self.columns.iter().map(|c| Cell::new(c.header)).collect();
        let mut text = layout.line(&headers);
        for row in &self.rows {
            text.push_str(&layout.line(row));
        }
        text
    }

    fn width_of(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].text.width());
        cells.chain([self.columns[column].header.width(), self.least]).max().unwrap_or(0)
    }

    fn cards(&self, style: &Style) -> String {
        let mut text = String::new();
        for row in &self.rows {
            text.push_str(&self.half_card(row, true, style));
            text.push_str(&self.half_card(row, false, style));
        }
        text
    }

    fn half_card(&self, row: &[Cell], kept: bool, style: &Style) -> String {
        let indent = if kept { "" } else { GAP };
        let mut width = indent.len();
        let mut parts = Vec::new();
        for (cell, column) in row.iter().zip(&self.columns) {
            if column.keep != kept || cell.text.is_empty() {
                continue;
            }
            let gap = if parts.is_empty() { 0 } else { GAP.len() };
            if width + gap + cell.text.width() > style.width && !parts.is_empty() {
                break;
            }
            width += gap + cell.text.width();
            parts.push(style.paint(cell.ink, &cell.text));
        }
        format!("{indent}{}\n", parts.join(GAP))
    }
}

/// Which columns are shown, and how wide.
struct Layout<'a> {
    columns: &'a [Column],
    shown: Vec<usize>,
    widths: Vec<usize>,
    style: &'a Style,
}

impl Layout<'_> {
    /// Spaces are written once something follows them: no line ends in spaces.
    fn line(&self, cells: &[Cell]) -> String {
        let mut line = String::new();
        let mut waiting = 0;
        for (place, column) in self.shown.iter().enumerate() {
            let cell = &cells[*column];
            let missing = self.widths[*column].saturating_sub(cell.text.width());
            if place > 0 {
                waiting += GAP.len();
            }
            if cell.text.is_empty() {
                waiting += missing;
                continue;
            }
            let right = self.columns[*column].right;
            line.push_str(&" ".repeat(waiting + if right { missing } else { 0 }));
            line.push_str(&self.style.paint(cell.ink, &cell.text));
            waiting = if right { 0 } else { missing };
        }
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["*NAME", "READY", "*PHASE", "SIZE", ">COST", "AGE"]);
        for (name, phase, cost) in
            [("api", "installing", "7.50 EUR"), ("db", "running", "14.00 EUR")]
        {
            let cells = [name, "True", phase, "vps-20-nvme", cost, "6m"];
            table.row(cells.iter().map(|text| Cell::new(*text)).collect());
        }
        table
    }

    #[test]
    fn numbers_stand_to_the_right_and_no_line_ends_in_spaces() {
        let text = table().render(&Style::plain());
        assert_eq!(
            text,
            "NAME  READY  PHASE       SIZE              COST  AGE\n\
             api   True   installing  vps-20-nvme   7.50 EUR  6m\n\
             db    True   running     vps-20-nvme  14.00 EUR  6m\n"
        );
    }

    #[test]
    fn columns_leave_from_the_right_and_name_and_phase_stay() {
        let narrow = Style { width: 60, ..Style::plain() };
        let mut wide = table();
        wide.columns[5].header = "A-VERY-LONG-LAST-HEADER";
        let text = wide.render(&narrow);
        assert!(text.starts_with("NAME  READY  PHASE       SIZE              COST\n"), "{text}");
        let mut long = table();
        long.rows[0][0].text = "a".repeat(50);
        let text = long.render(&narrow);
        assert!(text.lines().next().unwrap().ends_with("PHASE"), "{text}");
    }

    #[test]
    fn below_60_columns_each_row_is_a_card_of_two_lines() {
        let text = table().render(&Style { width: 40, ..Style::plain() });
        assert_eq!(text.lines().count(), 4);
        assert!(text.starts_with("api  installing\n  True  vps-20-nvme  7.50 EUR"), "{text}");
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
    }
}
