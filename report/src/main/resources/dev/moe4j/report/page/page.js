'use strict';
// Shared by all pages: numbers, charts and tables. All text is inserted as text nodes, never as markup.
const Page = (() => {
  const charts = [];
  let built = false;

  // --- small helpers ---------------------------------------------------------------------------------------------

  /** Creates an element: h('td.n', {title: 't'}, child, 'text', …). */
  function h(selector, ...content) {
    const [tag, ...classes] = selector.split('.');
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(' ');
    for (const item of content.flat(Infinity)) {
      if (item === null || item === undefined) continue;
      if (item instanceof Node || typeof item !== 'object') element.append(item);
      else for (const [name, value] of Object.entries(item)) element.setAttribute(name, value);
    }
    return element;
  }
  const at = id => document.getElementById(id);
  const known = value => typeof value === 'number' && Number.isFinite(value);
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

  const significant = (value, digits = 3) => {
    if (!known(value)) return '–';
    if (value === 0) return '0';
    const decimals = Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(Number(value.toPrecision(digits))))));
    return Number(value.toPrecision(digits)).toLocaleString('en-US', {
      minimumFractionDigits: Math.min(decimals, 20), maximumFractionDigits: Math.min(decimals, 20),
    });
  };
  const fixed = (value, digits) => known(value) ? value.toFixed(digits) : '–';
  const signed = (value, digits) => {
    if (!known(value)) return '–';
    const size = Math.abs(value).toFixed(digits);
    return (Number(size) === 0 ? '±' : value < 0 ? '−' : '+') + size;
  };
  const whole = value => known(value) ? Math.round(value).toLocaleString('en-US') : '–';
  const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E', 'Z', 'Y'];
  const prefixOf = value => value > 0 ? Math.max(0, Math.min(8, Math.floor(Math.log10(value * 1.0005) / 3))) : 0;
  const si = value => {
    if (!known(value)) return '–';
    const p = prefixOf(Math.abs(value));
    return significant(value / 1000 ** p) + '\u202f' + PREFIXES[p];
  };
  const count = value => si(value).trimEnd();
  const duration = s => {
    if (!known(s)) return '–';
    if (s < 120) return significant(s) + '\u202fs';
    const total = Math.round(s);
    const parts = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
    return parts[0] ? `${parts[0]} h ${parts[1]} min` : `${parts[1]} min ${parts[2]} s`;
  };
  const nearest = (xs, x) => {
    let best = 0;
    for (let i = 1; i < xs.length; i++) if (Math.abs(xs[i] - x) < Math.abs(xs[best] - x)) best = i;
    return best;
  };

  /** Names, number formats and axes of the costs. */
  const COSTS = {
    FLOPS: {
      field: 'flops', less: 'fewer FLOPs', more: 'more FLOPs', tile: 'FLOPs', title: 'against training compute',
      format: value => si(value) + 'FLOP',
      axis: max => ({ factor: 1000 ** prefixOf(max), label: `training compute, ${PREFIXES[prefixOf(max)]}FLOP` }),
    },
    SECONDS: {
      field: 'seconds', less: 'less time', more: 'more time', tile: 'time', title: 'against training time',
      format: duration,
      axis: max => max > 10800 ? { factor: 3600, label: 'training time, hours' }
        : max > 600 ? { factor: 60, label: 'training time, minutes' } : { factor: 1, label: 'training time, seconds' },
    },
    JOULES: {
      field: 'joules', tile: 'energy', title: 'against training energy',
      format: value => si(value) + 'J',
      axis: max => ({ factor: 1000 ** prefixOf(max), label: `training energy, ${PREFIXES[prefixOf(max)]}J` }),
    },
  };
  const capital = text => text.charAt(0).toUpperCase() + text.slice(1);
  const last = list => list[list.length - 1];

  // --- charts ----------------------------------------------------------------------------------------------------

  /** Round tick values for a logarithmic axis: the coarsest set with at least four ticks in range. */
  function logTicks(low, high) {
    const sets = [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7], [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9]];
    for (const set of sets) {
      const ticks = [];
      for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
        for (const digit of set) {
          const value = digit * 10 ** power;
          if (value >= low * 0.9999 && value <= high * 1.0001) ticks.push(value);
        }
      }
      if (ticks.length >= 4) return ticks;
    }
    const rough = (high - low) / 5;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map(n => n * unit).find(n => n >= rough);
    const ticks = [];
    for (let value = Math.ceil(low / step) * step; value <= high; value += step) ticks.push(value);
    return ticks;
  }
  const tickText = value => String(Number(value.toPrecision(4)));

  /**
   * Draws one chart. The scales are linear, so values on a logarithmic axis are passed as logarithms.
   *
   * options:
   * - label: text for screen readers
   * - series: [{kind, word, x, y, points}]
   * - xTicks, yTicks: functions from the range to tick values; optional
   * - xText, yText, xLabel, yLabel: formats of ticks, and labels of axes
   * - xRange, yRange: ranges that must be visible; optional
   * - fromZero, xFromZero: whether the axis starts at 0
   * - hover(series, index): content of the tooltip
   * - draw(u): draws on the canvas after the chart; optional
   */
  function chart(parent, caption, options) {
    const plot = h('div.plot', { role: 'img', 'aria-label': options.label });
    parent.append(h('figure', h('figcaption', caption), plot));
    const series = options.series.filter(each => each.y.some(known));
    if (series.length === 0) {
      plot.append(h('div.empty', 'Not measured in this run.'));
      return;
    }
    const hover = h('div.hover');
    const table = uPlot.join(series.map(each => [each.x, each.y]));
    let u = null;
    const size = () => ({ width: Math.max(240, plot.clientWidth), height: plot.clientWidth < 380 ? 260 : options.draw ? 340 : 280 });
    const entry = { drawn: false, draw: null, resize: null };
    charts.push(entry);

    entry.draw = () => {
      if (u) u.destroy();
      const axis = (label, ticks, text, space, width) => ({
        label, labelSize: 22, labelGap: 2, size: width, gap: 6, space,
        stroke: colour('muted'), font: '12px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif',
        grid: { stroke: colour('grid'), width: 1 }, ticks: { stroke: colour('line'), width: 1, size: 4 },
        ...(ticks ? { splits: (self, i, low, high) => ticks(low, high), filter: (self, splits) => splits } : {}),
        values: (self, splits) => splits.map(text),
      });
      const stroke = kind => colour(kind);
      u = new uPlot({
        ...size(),
        padding: [12, 14, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
        scales: {
          x: { time: false, range: (self, least, most) => {
            const [low, high] = options.xRange || [least, most];
            const margin = (high - low) * 0.03 || Math.abs(high) * 0.1 || 1;
            return options.xFromZero ? [0, high + margin] : [low - margin, high + margin];
          } },
          y: { range: (self, least, most) => {
            const [low, high] = options.yRange || [least, most];
            const margin = (high - low) * 0.06 || Math.abs(high) * 0.05 || 0.1;
            return options.fromZero ? [0, high + margin * 2] : [low - margin * (options.draw ? 3.5 : 1), high + margin];
          } },
        },
        axes: [
          axis(options.xLabel, options.xTicks, options.xText, 45, 30),
          axis(options.yLabel, options.yTicks, options.yText, 30, 50),
        ],
        series: [{}, ...series.map(each => ({
          label: each.word, stroke: stroke(each.kind), width: 2.25, dash: each.kind === 'dense' ? [7, 4] : undefined,
          points: {
            show: Boolean(each.points), size: 6, width: 1.5, stroke: stroke(each.kind),
            fill: each.kind === 'dense' ? colour('page') : stroke(each.kind),
          },
        }))],
        hooks: {
          draw: [self => {
            if (options.draw) options.draw(self);
            entry.drawn = true;
            announce();
          }],
          setCursor: [self => {
            const { left, top } = self.cursor;
            if (left === undefined || left < 0) {
              hover.style.display = 'none';
              return;
            }
            const x = self.posToVal(left, 'x');
            hover.replaceChildren(...series.map(each => h('div', options.hover(each, nearest(each.x, x)))));
            hover.style.display = 'block';
            const room = plot.clientWidth - hover.offsetWidth;
            const offset = left + self.over.offsetLeft + 14;
            hover.style.left = Math.max(0, offset > room ? offset - hover.offsetWidth - 28 : offset) + 'px';
            hover.style.top = Math.max(0, top - 20) + 'px';
          }],
        },
      }, table, plot);
      plot.append(hover);
    };
    entry.resize = () => { if (u && plot.clientWidth > 0 && u.width !== size().width) u.setSize(size()); };
    // Resize in the next frame: browsers report a resize inside the observer as a loop.
    new ResizeObserver(() => requestAnimationFrame(entry.resize)).observe(plot);
  }

  function announce() {
    if (built && charts.every(entry => entry.drawn)) document.documentElement.setAttribute('data-ready', '');
  }

  /** Writes text on the canvas, outlined in the page's colour so that it stays legible over lines. */
  function write(u, text, x, y, options) {
    const context = u.ctx;
    const ratio = uPlot.pxRatio;
    context.font = `${options.bold ? '600 ' : ''}${Math.round((options.size || 12) * ratio)}px system-ui, sans-serif`;
    context.textBaseline = 'middle';
    context.textAlign = 'left';
    const width = context.measureText(text).width;
    const { left: from, width: room } = u.bbox;
    let start = options.align === 'center' ? x - width / 2 : options.align === 'right' ? x - width : x;
    start = Math.max(from + 4 * ratio, Math.min(from + room - width - 4 * ratio, start));
    context.lineWidth = 4 * ratio;
    context.lineJoin = 'round';
    context.strokeStyle = colour('page');
    context.strokeText(text, start, y);
    context.fillStyle = options.colour;
    context.fillText(text, start, y);
  }

  // --- tables and cells -------------------------------------------------------------------------------------------

  function table(selector, caption, head, bodies) {
    return h('div.scroll', h('table' + selector,
      caption ? h('caption', caption) : null,
      h('thead', h('tr', head)), bodies));
  }
  const column = text => h('th', { scope: 'col' }, text);
  const numbers = text => h('th.n', { scope: 'col' }, text);
  const row = text => h('th', { scope: 'row' }, text);

  /** A table cell with the share of an evaluation text that occurs in the training text. */
  const overlap = share => h('td' + (share > 0.01 ? '.warn' : ''), known(share) ? `${significant(100 * share, 2)} %` : 'not checked');

  /**
   * A row of experts, coloured by load relative to an even share.
   * options: name, label (for screen readers), relative (loads), columns, title(expert, load)
   */
  function expertRow(options) {
    const { relative } = options;
    const total = relative.reduce((sum, value) => sum + value, 0);
    const entropy = relative.reduce((sum, value) => value > 0 ? sum - value / total * Math.log(value / total) : sum, 0);
    const starved = relative.filter(value => value < 0.1).length;
    const facts = `busiest ${fixed(Math.max(...relative), 2)}×, quietest ${fixed(Math.min(...relative), 2)}×; effectively ${significant(Math.exp(entropy))} of ${relative.length} experts`
      + (starved ? `; ${starved} under a tenth of an even share` : '');
    return h('div.layer',
      h('div.name', options.name),
      h('div.cells', { role: 'img', 'aria-label': `${options.label}: ${facts}.`, style: `--columns:${Math.min(relative.length, options.columns || 32)}` },
        relative.map((value, expert) => {
          const weight = Math.min(1, Math.abs(Math.log2(Math.max(value, 1e-9))) / 2) * 100;
          return h('div.cell.' + (value >= 1 ? 'over' : 'under') + (value < 0.1 ? '.starved' : ''), {
            style: `--weight:${weight.toFixed(1)}`, title: options.title(expert, value),
          });
        })),
      h('div.facts', facts));
  }
  const expertScale = () => h('div.scale', { 'aria-hidden': 'true' }, h('div.ramp'),
    h('div.ticks', ['≤ ¼×', '½×', '1 = even', '2×', '≥ 4×'].map(text => h('span', text))));

  /** Draws all charts. Must be called after all content is on the page. */
  function finish() {
    // A chart takes its size from its parent element.
    charts.forEach(entry => entry.draw());
    built = true;
    announce();
    const redraw = () => charts.forEach(entry => entry.draw());
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
    const printing = matchMedia('print');
    printing.addEventListener('change', redraw);
    let opened = [];
    addEventListener('beforeprint', () => {
      opened = [...document.querySelectorAll('#configurations details:not([open])')];
      opened.forEach(each => { each.open = true; });
    });
    addEventListener('afterprint', () => opened.forEach(each => { each.open = false; }));
  }

  return { COSTS, PREFIXES, at, capital, chart, colour, column, count, duration, expertRow, expertScale, finish, fixed, h,
    known, last, logTicks, numbers, overlap, prefixOf, row, si, significant, signed, table, tickText, whole, write };
})();
