//! Text for a terminal: titles, aligned tables, and colour where there is somebody to see it.

use std::io::{IsTerminal as _, Write as _};

/// How a piece of text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// It went well.
    Good,
    /// It was refused, as it should be.
    Firm,
    /// Something to look at.
    Odd,
    /// Beside the point.
    Faint,
}

/// One cell of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell of this tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

/// Where it is written.
#[derive(Debug)]
pub struct Page {
    colour: bool,
}

impl Page {
    /// The standard output, coloured if it is a terminal and nobody objects (`NO_COLOR`).
    pub fn new() -> Self {
        let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour: wanted && std::io::stdout().is_terminal() }
    }

    /// The name of the whole.
    pub fn title(&mut self, text: &str) {
        self.line(&format!("\n{}", self.paint(text, "1")));
    }

    /// The name of a part.
    pub fn heading(&mut self, text: &str) {
        self.line(&format!("\n{}", self.paint(text, "1;36")));
    }

    /// One line.
    pub fn line(&mut self, text: &str) {
        // Nobody reads it any more when this fails.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// What went wrong.
    pub fn complain(&mut self, text: &str) {
        let _ = writeln!(std::io::stderr(), "demo: {text}");
    }

    /// One line of a tone.
    pub fn toned(&mut self, tone: Tone, text: &str) {
        self.line(&self.tone(tone, text));
    }

    /// Rows under a head, in columns.
    pub fn table(&mut self, head: &[&str], rows: &[Vec<Cell>]) {
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.text.chars().count());
            cells.chain([head[column].chars().count()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let head: Vec<Cell> = head.iter().map(|text| Cell::new(Tone::Faint, text.to_uppercase())).collect();
        for row in std::iter::once(&head).chain(rows) {
            let last = row.len() - 1;
            let cells = row.iter().enumerate().map(|(column, cell)| {
                // Nothing follows the last one, so nothing has to be filled up.
                let fill = if column == last { 0 } else { widths[column] - cell.text.chars().count() };
                format!("{}{}", self.tone(cell.tone, &cell.text), " ".repeat(fill))
            });
            self.line(format!("  {}", cells.collect::<Vec<_>>().join("  ")).trim_end());
        }
    }

    fn tone(&self, tone: Tone, text: &str) -> String {
        match tone {
            Tone::Plain => text.to_owned(),
            Tone::Good => self.paint(text, "32"),
            Tone::Firm => self.paint(text, "33"),
            Tone::Odd => self.paint(text, "31"),
            Tone::Faint => self.paint(text, "2"),
        }
    }

    fn paint(&self, text: &str, code: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}
