//! Writing HTML: whatever is text is escaped, and nothing else goes in but what the code says literally.

/// A page in the making.
#[derive(Debug, Default)]
pub struct Html(String);

impl Html {
    /// Markup, as it stands in the code.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.0.push_str(&escaped(text));
        self
    }

    /// An element with nothing but text in it.
    pub fn element(&mut self, name: &'static str, text: &str) -> &mut Self {
        self.0.push_str(&format!("<{name}>{}</{name}>", escaped(text)));
        self
    }

    /// An attribute of the element that was begun.
    pub fn attribute(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.0.push_str(&format!(" {name}=\"{}\"", escaped(value)));
        self
    }

    /// A link to a place on this page.
    pub fn link(&mut self, anchor: &str, inside: impl FnOnce(&mut Self)) -> &mut Self {
        self.0.push_str(&format!("<a href=\"#{}\">", escaped(anchor)));
        inside(self);
        self.raw("</a>")
    }

    /// Text in which code stands between backticks.
    pub fn inline(&mut self, text: &str) -> &mut Self {
        for (nth, part) in text.split('`').enumerate() {
            if nth % 2 == 0 {
                self.text(part)
            } else {
                self.element("code", part)
            };
        }
        self
    }

    /// The page.
    pub fn finish(self) -> String {
        self.0
    }
}

/// Paragraphs, which empty lines part.
pub fn prose(html: &mut Html, text: &str) {
    for paragraph in text.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        html.raw("<p>").inline(paragraph).raw("</p>");
    }
}

/// Text as HTML has it.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}
