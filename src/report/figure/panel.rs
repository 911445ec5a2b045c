//! What every figure is made of: a page with title and footer, and panels on it. A panel is a plotters
//! chart with the marks that plotters does not have: intervals over several seeds, direct labels that
//! do not collide, a key in a row, ticks of two lines.

use plotters::chart::ChartContext;
use plotters::coord::CoordTranslate;
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::element::PointCollection;
use plotters::prelude::*;

use super::Series;
use super::labels::{spread, text_width};
use super::style::*;
use crate::base::{Error, Result};
use crate::report::frame::Point;

/// A rectangle of a figure, in pixels.
pub type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Pixels from a panel's top left corner, or from a figure's.
pub type Pixel = (i32, i32);

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for Error {
    fn from(error: DrawingAreaErrorKind<E>) -> Error {
        Error::Figure(error.to_string())
    }
}

/// Paints the ground and writes title and subtitle above, whose data it is below; returns the room
/// between them.
pub fn page<'a>(area: &Area<'a>, title: &str, subtitle: &str, footer: &str) -> Result<Area<'a>> {
    area.fill(&WHITE)?;
    area.draw_text(title, &bold(TITLE, INK), (30, 28))?;
    area.draw_text(subtitle, &ink(AXIS_TITLE, SOFT_INK), (30, 60))?;
    let below = area.dim_in_pixel().1 as i32 - 12;
    area.draw_text(footer, &ink(SMALL, SOFT_INK), (30, below))?;
    Ok(area.margin(80, 24, 0, 0))
}

/// A chart on a part of a page.
pub struct Panel<'a, CT: CoordTranslate> {
    /// For series: `panel.chart.draw_series(...)`.
    pub chart: ChartContext<'a, SVGBackend<'a>, CT>,
    /// Width and height of the chart's own rectangle.
    pub size: Pixel,
    corner: Pixel,
    /// For elements whose points are pixels from the rectangle's top left corner; not clipped to it.
    pub sheet: Area<'a>,
}

/// A panel on the middle of `area`, with `[top, right, bottom, left]` pixels around it.
pub fn panel<'a, X, Y>(
    area: &Area<'a>,
    title: &str,
    [top, right, bottom, left]: [u32; 4],
    (x, y): (X, Y),
) -> Result<Panel<'a, Cartesian2d<X::CoordDescType, Y::CoordDescType>>>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
{
    area.draw_text(title, &bold(PANEL_TITLE, INK), (left.min(86) as i32 - 48, 16))?;
    let chart = ChartBuilder::on(area)
        .margin_top(top)
        .margin_right(right)
        .margin_left(22)
        .x_label_area_size(bottom)
        .y_label_area_size(left - 22)
        .build_cartesian_2d(x, y)?;
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let corner = chart.plotting_area().get_base_pixel();
    let sheet = area.use_screen_coord().apply_coord_spec(Shift(corner));
    Ok(Panel { chart, size: (width as i32, height as i32), corner, sheet })
}

impl<X, Y> Panel<'_, Cartesian2d<X, Y>>
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    /// Horizontal lines with their values, at most `most` of them; `show` turns a value into its label.
    pub fn y_axis(&mut self, title: &str, most: usize, show: impl Fn(f64) -> String) -> Result<()> {
        let show = |value: &f64| show(*value);
        let mut mesh = self.chart.configure_mesh();
        mesh.disable_x_mesh()
            .disable_x_axis()
            .x_labels(0)
            .axis_style(TRANSPARENT)
            .y_labels(most)
            .y_max_light_lines(1);
        mesh.bold_line_style(GRID).light_line_style(GRID).set_all_tick_mark_size(4);
        mesh.y_label_formatter(&show).label_style(ink(LABEL, SOFT_INK));
        Ok(mesh.y_desc(title).axis_desc_style(ink(AXIS_TITLE, INK)).draw()?)
    }
}

impl<'a, CT: CoordTranslate<From = (f64, f64)>> Panel<'a, CT> {
    /// Where a data point is, in pixels from the panel's top left corner.
    pub fn at(&self, x: f64, y: f64) -> Pixel {
        let point = self.chart.plotting_area().map_coordinate(&(x, y));
        (point.0 - self.corner.0, point.1 - self.corner.1)
    }

    /// Draws an element whose points are data.
    pub fn draw<E>(&self, element: E) -> Result<()>
    where
        for<'b> &'b E: PointCollection<'b, (f64, f64)>,
        E: plotters::element::Drawable<SVGBackend<'a>>,
    {
        Ok(self.chart.plotting_area().draw(&element)?)
    }

    /// Text at a place in pixels.
    pub fn text(&self, text: &str, at: Pixel, style: &TextStyle) -> Result<()> {
        Ok(self.chart.plotting_area().strip_coord_spec().draw_text(text, style, at)?)
    }

    /// A line through data points.
    pub fn line(
        &mut self,
        points: impl IntoIterator<Item = (f64, f64)>,
        color: RGBColor,
        width: u32,
    ) -> Result<()> {
        self.chart.draw_series(LineSeries::new(points, color.stroke_width(width)))?;
        Ok(())
    }

    /// A line from edge to edge at the height of `y`.
    pub fn level(&self, y: f64, color: RGBColor, width: u32) -> Result<()> {
        let y = self.at(1.0, y).1;
        Ok(self.sheet.draw(&PathElement::new([(0, y), (self.size.0, y)], color.stroke_width(width)))?)
    }

    /// A dot, with a rim that sets it off from lines.
    pub fn dot(&self, x: f64, y: f64, radius: i32, color: RGBColor) -> Result<()> {
        let rim = Circle::new((0, 0), radius + 1, WHITE.filled());
        self.draw(EmptyElement::at((x, y)) + rim + Circle::new((0, 0), radius, color.filled()))
    }

    /// A star of five rays, for what the reader made.
    pub fn star(&self, x: f64, y: f64, color: RGBColor) -> Result<()> {
        let ray = |corner: usize, scale: f64| {
            let (sine, cosine) = (corner as f64 * std::f64::consts::PI / 5.0).sin_cos();
            let radius = scale * if corner.is_multiple_of(2) { 12.0 } else { 5.0 };
            ((radius * sine).round() as i32, (-radius * cosine).round() as i32)
        };
        let star = |scale: f64, color: RGBColor| {
            Polygon::new((0..10).map(|corner| ray(corner, scale)).collect::<Vec<_>>(), color.filled())
        };
        self.draw(EmptyElement::at((x, y)) + star(1.35, INK) + star(1.0, color))
    }

    /// A dot with its interval.
    pub(super) fn estimate(&self, Point { x, value, low, high, .. }: &Point, color: RGBColor) -> Result<()> {
        self.draw(ErrorBar::new_vertical(*x, *low, *value, *high, color.stroke_width(2), 9))?;
        self.dot(*x, *value, 5, color)
    }

    /// A line through estimates.
    pub(super) fn estimates(&mut self, Series { color, points, .. }: &Series) -> Result<()> {
        self.line(points.iter().map(|point| (point.x, point.value)), *color, 3)?;
        points.iter().try_for_each(|point| self.estimate(point, *color))
    }

    /// An open diamond at a place in pixels.
    pub fn diamond(&self, (x, y): Pixel, radius: i32, color: RGBColor) -> Result<()> {
        let corners = [(x - radius, y), (x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y)];
        self.sheet.draw(&Polygon::new(corners, WHITE.filled()))?;
        Ok(self.sheet.draw(&PathElement::new(corners, color.stroke_width(2)))?)
    }

    /// A mark under the axis at `x`, and its label, on one line or two.
    pub fn x_tick(&self, x: f64, lines: &[&str]) -> Result<()> {
        let (x, bottom) = (self.at(x, 1.0).0, self.size.1);
        self.sheet.draw(&PathElement::new([(x, bottom), (x, bottom + 5)], SOFT_INK.stroke_width(1)))?;
        for (row, line) in lines.iter().enumerate() {
            let color = if row == 0 { INK } else { SOFT_INK };
            self.text(line, (x, bottom + 16 + 19 * row as i32), &ink(LABEL, color).pos(CENTERED))?;
        }
        Ok(())
    }

    /// What the horizontal axis is of.
    pub fn x_title(&self, title: &str) -> Result<()> {
        self.text(title, (self.size.0 / 2, self.size.1 + 42), &ink(AXIS_TITLE, INK).pos(CENTERED))
    }

    /// The lines' names, each linked to its end, `x` pixels beyond the right edge and moved apart where
    /// they would touch.
    pub(super) fn end_labels<'s>(&self, lines: impl IntoIterator<Item = &'s Series>, x: i32) -> Result<()> {
        let end = |line: &'s Series| line.points.last().map(|end| (line, self.at(end.x, end.value)));
        let ends: Vec<_> = lines.into_iter().filter_map(end).collect();
        let wanted: Vec<f64> = ends.iter().map(|(_, (_, y))| f64::from(*y)).collect();
        let (x, bottom) = (self.size.0 + x, f64::from(self.size.1 - 6));
        for ((line, (from, level)), y) in ends.iter().zip(spread(&wanted, 19.0, 2.0, bottom)) {
            let (link, pale) = ([(from + 7, *level), (x - 5, y.round() as i32)], tint(line.color, 0.6));
            self.sheet.draw(&PathElement::new(link, pale.stroke_width(1)))?;
            self.text(&line.label, (x, y.round() as i32), &ink(LABEL, dark(line.color)))?;
        }
        Ok(())
    }

    /// A row of colored squares with names above the panel, `above` pixels; wraps to a second row.
    pub fn key(&self, entries: &[(String, RGBColor)], above: i32) -> Result<()> {
        let (mut x, mut y) = (0, -above);
        for (label, color) in entries {
            let width = 18 + text_width(label, LABEL) as i32 + 14;
            if x > 0 && x + width > self.size.0 + 30 {
                (x, y) = (0, y + 21);
            }
            self.sheet.draw(&Rectangle::new([(x, y - 6), (x + 12, y + 6)], color.filled()))?;
            self.text(label, (x + 18, y), &ink(LABEL, dark(*color)))?;
            x += width;
        }
        Ok(())
    }
}

/// A share as a number of percent.
pub fn percent(value: f64) -> String {
    format!("{:.0}", value * 100.0)
}
