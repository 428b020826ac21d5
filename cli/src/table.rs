//! Tables: columns as wide as their widest cell, two blanks between them, no frames, so that `grep` and `awk` work too.

/// Draws a table. The last column is not padded, so no line ends in blanks.
pub fn draw(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(|cell| cell.to_uppercase()).collect();
    let lines = || std::iter::once(&head).chain(rows);
    let width = |column: usize| lines().filter_map(|row| row.get(column)).map(|cell| length(cell)).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let mut text = String::new();
    for row in lines() {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', (width - length(cell)) + 2));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn length(cell: &str) -> usize {
    cell.chars().count()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn a_column_is_as_wide_as_its_widest_cell() {
        let rows = [
            vec!["a".to_owned(), "Zoë".to_owned(), String::new()],
            vec!["longer".to_owned(), "x".to_owned(), "y".to_owned()],
        ];
        expect![[r#"
            ID      NAME  NOTE
            a       Zoë
            longer  x     y
        "#]]
        .assert_eq(&draw(&["id", "name", "note"], &rows));
    }
}
