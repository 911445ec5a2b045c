//! Drawing in pixels: text, lines, marks, and a panel that maps data to them.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style::{self, GRID, INK, SOFT_INK};
use crate::base::error::{Error, Result};
use crate::report::frame::Estimate;

pub(super) type Point = (i32, i32);

/// A plotters area of any backend, whose errors are this crate's.
pub(super) struct Canvas<'a, DB: DrawingBackend> {
    area: &'a DrawingArea<DB, Shift>,
}

/// How a piece of text looks.
#[derive(Clone, Copy)]
pub(super) struct Ink {
    pub size: f64,
    pub color: RGBColor,
    pub bold: bool,
    pub h: HPos,
    pub v: VPos,
    pub upward: bool,
}

impl Ink {
    pub fn new(size: f64) -> Ink {
        Ink { size, color: INK, bold: false, h: HPos::Left, v: VPos::Center, upward: false }
    }

    pub fn color(self, color: RGBColor) -> Ink {
        Ink { color, ..self }
    }

    pub fn bold(self) -> Ink {
        Ink { bold: true, ..self }
    }

    pub fn at(self, h: HPos, v: VPos) -> Ink {
        Ink { h, v, ..self }
    }
}

fn failed<E: std::error::Error + Send + Sync>(error: DrawingAreaErrorKind<E>) -> Error {
    Error::Figure(error.to_string())
}

impl<'a, DB: DrawingBackend> Canvas<'a, DB> {
    /// Paints the background.
    pub fn new(area: &'a DrawingArea<DB, Shift>) -> Result<Canvas<'a, DB>> {
        area.fill(&style::WHITE).map_err(failed)?;
        Ok(Canvas { area })
    }

    /// Width and height in pixels.
    pub fn size(&self) -> Point {
        let (width, height) = self.area.dim_in_pixel();
        (width as i32, height as i32)
    }

    pub fn text(&self, text: &str, at: Point, ink: Ink) -> Result<()> {
        // The SVG backend writes size / 1.24 as the font size in pixels.
        let mut font = FontDesc::new(FontFamily::SansSerif, ink.size * 1.24, FontStyle::Normal);
        if ink.bold {
            font = font.style(FontStyle::Bold);
        }
        if ink.upward {
            font = font.transform(FontTransform::Rotate270);
        }
        let look = font.color(&ink.color).pos(Pos::new(ink.h, ink.v));
        self.area.draw(&Text::new(text.to_owned(), at, look)).map_err(failed)
    }

    pub fn line(&self, points: &[Point], color: RGBColor, width: u32) -> Result<()> {
        let style = ShapeStyle::from(&color).stroke_width(width);
        self.area.draw(&PathElement::new(points.to_vec(), style)).map_err(failed)
    }

    pub fn rect(&self, from: Point, to: Point, color: RGBColor, filled: bool) -> Result<()> {
        let style = if filled { color.filled() } else { color.stroke_width(1) };
        self.area.draw(&Rectangle::new([from, to], style)).map_err(failed)
    }

    pub fn polygon(&self, points: &[Point], color: RGBColor, opacity: f64) -> Result<()> {
        self.area.draw(&Polygon::new(points.to_vec(), color.mix(opacity).filled())).map_err(failed)
    }

    pub fn dot(&self, at: Point, radius: i32, color: RGBColor) -> Result<()> {
        self.area.draw(&Circle::new(at, radius + 1, style::WHITE.filled())).map_err(failed)?;
        self.area.draw(&Circle::new(at, radius, color.filled())).map_err(failed)
    }

    /// An open diamond on a white ground.
    pub fn diamond(&self, (x, y): Point, radius: i32, color: RGBColor) -> Result<()> {
        let corners = [(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)];
        self.polygon(&corners[..4], style::WHITE, 1.0)?;
        self.line(&corners, color, 2)
    }

    /// Title and subtitle at the top left; returns where panels may begin.
    pub fn title(&self, title: &str, subtitle: &str) -> Result<i32> {
        self.text(title, (30, 16), Ink::new(style::TITLE).bold().at(HPos::Left, VPos::Top))?;
        let ink = Ink::new(style::SUBTITLE).color(SOFT_INK).at(HPos::Left, VPos::Top);
        self.text(subtitle, (30, 52), ink)?;
        Ok(86)
    }
}

/// A rectangle of the figure with a horizontal and a vertical scale.
pub(super) struct Panel<'a, DB: DrawingBackend> {
    pub canvas: &'a Canvas<'a, DB>,
    pub left: i32,
    pub top: i32,
    pub right: i32,
    pub bottom: i32,
    pub x: (f64, f64),
    pub y: (f64, f64),
}

impl<DB: DrawingBackend> Panel<'_, DB> {
    pub fn px(&self, x: f64) -> i32 {
        let share = (x - self.x.0) / (self.x.1 - self.x.0);
        self.left + (share * f64::from(self.right - self.left)).round() as i32
    }

    pub fn py(&self, y: f64) -> i32 {
        let share = (y - self.y.0) / (self.y.1 - self.y.0);
        self.bottom - (share * f64::from(self.bottom - self.top)).round() as i32
    }

    pub fn panel_title(&self, title: &str, offset: i32) -> Result<()> {
        let ink = Ink::new(style::PANEL_TITLE).bold().at(HPos::Left, VPos::Center);
        self.canvas.text(title, (self.left - 48, self.top - offset), ink)
    }

    /// Grid lines with their values; `show` turns a value into its label.
    pub fn y_axis(&self, title: &str, ticks: &[f64], show: impl Fn(f64) -> String) -> Result<()> {
        let mut widest = 0.0f64;
        for tick in ticks {
            let y = self.py(*tick);
            widest = widest.max(super::labels::text_width(&show(*tick), style::TICK));
            let color = if *tick == 0.0 { SOFT_INK } else { GRID };
            self.canvas.line(&[(self.left, y), (self.right, y)], color, 1)?;
            let ink = Ink::new(style::TICK).color(SOFT_INK).at(HPos::Right, VPos::Center);
            self.canvas.text(&show(*tick), (self.left - 8, y), ink)?;
        }
        let ink = Ink { upward: true, ..Ink::new(style::AXIS_TITLE).at(HPos::Center, VPos::Center) };
        self.canvas.text(title, (self.left - 26 - widest as i32, (self.top + self.bottom) / 2), ink)
    }

    pub fn x_title(&self, title: &str, below: i32) -> Result<()> {
        let ink = Ink::new(style::AXIS_TITLE).at(HPos::Center, VPos::Center);
        self.canvas.text(title, ((self.left + self.right) / 2, self.bottom + below), ink)
    }

    /// A mark and its label under the axis, on one line or two.
    pub fn x_tick(&self, x: f64, lines: &[&str]) -> Result<()> {
        let x = self.px(x);
        self.canvas.line(&[(x, self.bottom), (x, self.bottom + 5)], SOFT_INK, 1)?;
        for (row, line) in lines.iter().enumerate() {
            let ink = Ink::new(style::TICK)
                .color(if row == 0 { INK } else { SOFT_INK })
                .at(HPos::Center, VPos::Center);
            self.canvas.text(line, (x, self.bottom + 19 + 19 * row as i32), ink)?;
        }
        Ok(())
    }

    /// A vertical interval with short ends.
    pub fn interval(&self, x: i32, estimate: &Estimate, color: RGBColor) -> Result<()> {
        let (low, high) = (self.py(estimate.low), self.py(estimate.high));
        self.canvas.line(&[(x, low), (x, high)], color, 2)?;
        for end in [low, high] {
            self.canvas.line(&[(x - 4, end), (x + 4, end)], color, 2)?;
        }
        Ok(())
    }

    /// A polyline through data points.
    pub fn curve(&self, points: &[(f64, f64)], color: RGBColor, width: u32) -> Result<()> {
        let points: Vec<Point> = points.iter().map(|(x, y)| (self.px(*x), self.py(*y))).collect();
        self.canvas.line(&points, color, width)
    }

    /// Colored names to the right of where their lines end, moved apart where they would touch.
    pub fn end_labels(&self, ends: &[(String, f64, RGBColor)], x: i32) -> Result<()> {
        let wanted: Vec<f64> = ends.iter().map(|(_, y, _)| f64::from(self.py(*y))).collect();
        let placed =
            super::labels::spread(&wanted, 19.0, f64::from(self.top + 2), f64::from(self.bottom - 6));
        for (((label, _, color), wanted), y) in ends.iter().zip(&wanted).zip(&placed) {
            let y = y.round() as i32;
            self.canvas.line(&[(x - 14, wanted.round() as i32), (x - 5, y)], style::tint(*color, 0.6), 1)?;
            self.canvas.text(label, (x, y), Ink::new(style::LABEL).color(style::dark(*color)))?;
        }
        Ok(())
    }

    /// A row of colored squares with names, from the panel's left edge; wraps to a second row.
    pub fn key(&self, entries: &[(String, RGBColor)], y: i32) -> Result<()> {
        let (mut x, mut y) = (self.left, y);
        for (label, color) in entries {
            let width = 18 + super::labels::text_width(label, style::LABEL) as i32 + 14;
            if x > self.left && x + width > self.right + 30 {
                (x, y) = (self.left, y + 21);
            }
            self.canvas.rect((x, y - 6), (x + 12, y + 6), *color, true)?;
            self.canvas.text(label, (x + 18, y), Ink::new(style::LABEL).color(style::dark(*color)))?;
            x += width;
        }
        Ok(())
    }
}

pub(super) fn percent(value: f64) -> String {
    format!("{:.0}", value * 100.0)
}

/// Round steps that cover `low..=high` with about `count` ticks.
pub(super) fn ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let span = (high - low).max(1e-12);
    let rough = span / count.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|m| m * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    let first = (low / step - 1e-9).ceil() as i64;
    let last = (high / step + 1e-9).floor() as i64;
    (first..=last).map(|multiple| multiple as f64 * step).collect()
}
