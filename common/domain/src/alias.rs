//! What a source calls a resource.

/// An alias as it is stored and looked up: an e-mail address is one address however it was typed; everything else is
/// taken to the letter.
pub fn normal_alias(alias: &str) -> String {
    if alias.contains('@') && !alias.contains('/') { alias.to_lowercase() } else { alias.to_owned() }
}
