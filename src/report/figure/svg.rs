//! A drawn figure: how it is kept and how a notebook shows it.

use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plotters::prelude::{IntoDrawingArea, SVGBackend};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};

use super::panel::Area;
use super::style;
use crate::base::{Error, Result, write_atomically};
use crate::report::table::show;

/// A drawn figure. A notebook shows it inline.
#[derive(Debug, Clone)]
pub struct Svg(pub String);

impl Svg {
    /// Draws a figure of the common size.
    ///
    /// ```
    /// use sft_vs_rl::{Svg, panel};
    /// let svg = Svg::draw(|area| panel::page(area, "Title", "subtitle", "footer").map(|_| ())).unwrap();
    /// assert!(svg.0.contains("<svg") && svg.0.contains("Title"));
    /// ```
    pub fn draw(draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<Svg> {
        Svg::of_height(style::SIZE.1, draw)
    }

    /// The same of another height, in pixels.
    pub(super) fn of_height(height: u32, draw: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<Svg> {
        let mut text = String::new();
        {
            let area = SVGBackend::with_string(&mut text, (style::SIZE.0, height)).into_drawing_area();
            draw(&area)?;
            area.present()?;
        }
        Ok(Svg(text))
    }

    /// Its twin in pixels, as large as the figure says it is. The font is this crate's own, so that the same figure
    /// gives the same bytes on a machine with other fonts or none.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut fonts = fontdb::Database::new();
        for font in [dejavu::sans::regular(), dejavu::sans::bold()] {
            fonts.load_font_data(font.to_vec());
        }
        fonts.set_sans_serif_family("DejaVu Sans");
        let failed = |why: &dyn std::fmt::Display| Error::Figure(format!("no PNG of it: {why}"));
        let options = Options { fontdb: Arc::new(fonts), ..Options::default() };
        let tree = Tree::from_str(&self.0, &options).map_err(|error| failed(&error))?;
        let (width, height) = (tree.size().width() as u32, tree.size().height() as u32);
        let mut pixels = Pixmap::new(width, height).ok_or_else(|| failed(&"it has no area"))?;
        resvg::render(&tree, Transform::identity(), &mut pixels.as_mut());
        pixels.encode_png().map_err(|error| failed(&error))
    }

    /// Writes the figure and, beside it, its PNG twin, each whole or not at all; creates their folder.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_atomically(path, self.0.as_bytes())?;
        write_atomically(&path.with_extension("png"), &self.png()?)
    }

    /// Called by a notebook to show the value of a cell: no wider than the cell, and in pixels for readers that show
    /// no SVG.
    pub fn evcxr_display(&self) {
        let fitting = self.0.replacen("<svg ", "<svg style=\"max-width:100%;height:auto\" ", 1);
        show("image/svg+xml", &fitting);
        if let Ok(png) = self.png() {
            show("image/png", &STANDARD.encode(png));
        }
    }
}

#[cfg(test)]
mod tests {
    use plotters::prelude::Text;

    use super::*;
    use crate::report::figure::style::{INK, ink};

    fn drawn(word: &str) -> Svg {
        Svg::draw(|area| Ok(area.draw(&Text::new(word, (600, 360), ink(40.0, INK)))?)).unwrap()
    }

    #[test]
    fn twin_has_the_size_and_the_words_of_the_figure() {
        let png = drawn("words").png().unwrap();
        let shown = Pixmap::decode_png(&png).unwrap();
        assert_eq!((shown.width(), shown.height()), style::SIZE);
        let dark = shown.pixels().iter().filter(|pixel| pixel.red() < 100 && pixel.alpha() == 255).count();
        assert!((500..20_000).contains(&dark), "{dark} dark pixels: no text, or too much of it");
        assert_ne!(png, drawn("other").png().unwrap());
    }

    #[test]
    fn what_is_no_picture_has_no_twin() {
        let error = Svg("<p>".to_owned()).png().unwrap_err().to_string();
        assert!(error.contains("no PNG of it"), "{error}");
    }
}
