'use strict';
// Draws the report from the JSON beside it. Every text becomes a text node, never markup.
(() => {
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const runs = [
    { kind: 'dense', word: 'dense', run: data.dense },
    { kind: 'moe', word: 'mixture', run: data.moe },
  ];
  const charts = [];
  let built = false;

  // --- small helpers ---------------------------------------------------------------------------------------------

  /** h('td.n', {title: 't'}, child, 'text', …) */
  function h(selector, ...content) {
    const [tag, ...classes] = selector.split('.');
    const element = document.createElement(tag);
    if (classes.length) element.className = classes.join(' ');
    for (const item of content.flat()) {
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

  /** The two costs: how they are named, written and scaled. */
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
  };
  const VERDICTS = {
    MIXTURE_PAYS: ['the mixture pays', 'moe'], DENSE_PAYS: ['the dense model pays', 'dense'],
    NO_DIFFERENCE: ['no difference shown', ''], NOT_REACHED: ['not reached', ''],
  };
  const capital = text => text.charAt(0).toUpperCase() + text.slice(1);
  const curveOf = (run, domain) => run.curves.find(curve => curve.domain === domain);
  const last = list => list[list.length - 1];

  // --- charts ----------------------------------------------------------------------------------------------------

  /** Round values for a logarithmic axis: the coarsest set with at least four of them in range. */
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
   * One chart. Axes that are logarithmic are given as logarithms: the scales themselves are linear.
   * options: label (for those who do not see it), series [{kind, word, x, y, points}], xTicks, yTicks (functions of the
   * range, or none), xText, yText, xLabel, yLabel, fromZero, hover(kind's series, index), draw(u)
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
          x: { time: false, range: (self, low, high) => {
            const margin = (high - low) * 0.03 || Math.abs(high) * 0.1 || 1;
            return options.xFromZero ? [0, high + margin] : [low - margin, high + margin];
          } },
          y: { range: (self, low, high) => {
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
    entry.draw();
    // In the next frame: a size set inside the observer would be reported as an endless loop.
    new ResizeObserver(() => requestAnimationFrame(entry.resize)).observe(plot);
  }

  function announce() {
    if (built && charts.every(entry => entry.drawn)) document.documentElement.setAttribute('data-ready', '');
  }

  /** Text on the canvas, with the page's colour around it so that it reads over lines. */
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

  /** The target, and the two costs at which it was reached. */
  function drawReading(u, speedup, scale) {
    const context = u.ctx;
    const ratio = uPlot.pxRatio;
    const y = u.valToPos(speedup.targetLoss, 'y', true);
    const { left, top, width, height } = u.bbox;
    const text = colour('text');
    context.save();
    context.strokeStyle = text;
    context.lineWidth = ratio;
    context.setLineDash([2 * ratio, 3 * ratio]);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(left + width, y);
    context.stroke();
    write(u, `target ${significant(Math.exp(speedup.targetLoss))}`, left, y + 11 * ratio, { colour: colour('muted') });
    const reading = speedup.reading;
    if (!reading) {
      write(u, 'not enclosed by both curves: no factor', left + width, y + 26 * ratio, { align: 'right', colour: text });
      context.restore();
      return;
    }
    const ends = { dense: u.valToPos(Math.log10(reading.denseCost / scale), 'x', true),
      moe: u.valToPos(Math.log10(reading.moeCost / scale), 'x', true) };
    for (const [kind, x] of Object.entries(ends)) {
      context.strokeStyle = colour(kind);
      context.lineWidth = 1.25 * ratio;
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x, top + height);
      context.stroke();
    }
    context.setLineDash([]);
    const [a, b] = [Math.min(ends.dense, ends.moe), Math.max(ends.dense, ends.moe)];
    context.strokeStyle = text;
    context.fillStyle = text;
    context.lineWidth = 2.25 * ratio;
    context.beginPath();
    context.moveTo(a, y);
    context.lineTo(b, y);
    context.stroke();
    const head = Math.min(6 * ratio, (b - a) / 3);
    for (const [tip, side] of [[a, 1], [b, -1]]) {
      context.beginPath();
      context.moveTo(tip, y);
      context.lineTo(tip + side * head * 1.3, y - head * 0.8);
      context.lineTo(tip + side * head * 1.3, y + head * 0.8);
      context.fill();
    }
    // Above the arrow run the curves; below it, between the two drop lines, there is room.
    write(u, `${fixed(reading.factor, 2)}×`, (a + b) / 2, y + 16 * ratio, { align: 'center', bold: true, size: 15, colour: text });
    context.restore();
  }

  function learningCurve(parent, domain, key) {
    const cost = COSTS[key];
    const curves = runs.map(each => ({ ...each, curve: curveOf(each.run, domain) })).filter(each => each.curve);
    const largest = Math.max(...curves.map(each => last(each.curve[cost.field])));
    const { factor, label } = cost.axis(largest);
    const speedup = data.speedups.find(each => each.domain === domain && each.cost === key);
    const ends = curves.map(each => `the ${each.word} model ends at perplexity ${significant(Math.exp(last(each.curve.loss)))} after ${cost.format(last(each.curve[cost.field]))}`);
    chart(parent, `${capital(domain)}, ${cost.title}`, {
      label: `Held-out perplexity, ${domain}, ${cost.title}: ${ends.join('; ')}.${speedup ? ' ' + speedup.sentence : ''}`,
      series: curves.map(each => ({ ...each, x: each.curve[cost.field].map(c => Math.log10(c / factor)), y: each.curve.loss,
        points: each.curve.loss.length <= 40 })),
      xLabel: label,
      yLabel: 'perplexity',
      xTicks: (low, high) => logTicks(10 ** low, 10 ** high).map(Math.log10),
      xText: value => tickText(10 ** value),
      yTicks: (low, high) => logTicks(Math.exp(low), Math.exp(high)).map(Math.log),
      yText: value => tickText(Math.exp(value)),
      hover: (each, i) => [h('b', each.word), ` ${significant(Math.exp(each.y[i]))} (${fixed(each.y[i], 3)} nats) at ${cost.format(each.curve[cost.field][i])}`],
      draw: speedup ? u => drawReading(u, speedup, factor) : undefined,
    });
  }

  function timeChart(parent, caption, field, options) {
    const present = runs.filter(each => each.run[field].y.some(known));
    const largest = Math.max(0, ...present.map(each => last(each.run[field].x)));
    const axis = options.byTokens
      ? { factor: 1000 ** prefixOf(largest), label: `training tokens${prefixOf(largest) ? ', ' + ['', 'thousands', 'millions', 'billions', 'trillions'][prefixOf(largest)] : ''}` }
      : COSTS.SECONDS.axis(largest);
    const mean = run => run[field].y.filter(known).reduce((sum, y, i, all) => sum + y / all.length, 0);
    chart(parent, caption, {
      label: `${caption}: ${present.map(each => options.summary(each.word, each.run[field].y, mean(each.run))).join('; ') || 'not measured'}.`,
      series: present.map(each => ({ ...each, x: each.run[field].x.map(x => x / axis.factor), y: each.run[field].y })),
      xFromZero: true,
      fromZero: options.fromZero,
      xLabel: axis.label,
      yLabel: options.yLabel,
      xText: tickText,
      yText: options.yText,
      yTicks: options.yTicks,
      hover: (each, i) => [h('b', each.word), ` ${options.text(each.y[i])}`],
    });
  }

  // --- sections --------------------------------------------------------------------------------------------------

  function table(selector, caption, head, bodies) {
    return h('div.scroll', h('table' + selector,
      caption ? h('caption', caption) : null,
      h('thead', h('tr', head)), bodies));
  }
  const column = text => h('th', { scope: 'col' }, text);
  const numbers = text => h('th.n', { scope: 'col' }, text);
  const row = text => h('th', { scope: 'row' }, text);

  function tiles() {
    for (const speedup of data.speedups) {
      const reading = speedup.reading;
      const [verdict, kind] = VERDICTS[speedup.verdict];
      const close = reading && kind && Math.abs(reading.factor - 1) < data.seedSpread;
      const words = close ? `${kind === 'moe' ? 'mixture' : 'dense'} ahead, less than seeds differ` : verdict;
      at('tiles').append(h('div.tile' + (kind ? '.' + kind : ''), { title: speedup.sentence },
        h('div.label', `Speedup in ${COSTS[speedup.cost].tile}`, h('br'), speedup.domain),
        h('div.value', reading ? `${fixed(reading.factor, 2)}×` : '–'),
        h('div.detail', h('span.verdict', words), h('br'),
          reading ? `95 % ${fixed(reading.low, 2)} to ${fixed(reading.high, 2)}` : 'the curves do not enclose the target')));
    }
    for (const inDomain of [true, false]) {
      const group = domainEntries().filter(entry => entry.inDomain === inDomain && known(entry.dense) && known(entry.moe));
      if (group.length === 0) continue;
      const mean = kind => group.reduce((sum, entry) => sum + entry[kind] / group.length, 0);
      const ratio = mean('moe') / mean('dense');
      at('tiles').append(h('div.tile' + (ratio < 0.9995 ? '.moe' : ratio > 1.0005 ? '.dense' : ''),
        h('div.label', 'Final perplexity', h('br'), inDomain ? 'in-domain' : 'out-of-domain'),
        h('div.value', significant(mean('moe')), h('small', ' mixture')),
        h('div.detail', h('span.verdict', `${significant(mean('dense'))} dense`), h('br'),
          `ratio ${fixed(ratio, 3)}` + (group.length > 1 ? `, mean of ${group.length} texts` : ''))));
    }
  }

  function curves() {
    const domains = [...new Set(runs.flatMap(each => each.run.curves.map(curve => curve.domain)))];
    if (domains.length === 0) at('curves').append(h('div.empty', 'Not measured in this run.'));
    for (const domain of domains) {
      const charts = h('div.charts');
      at('curves').append(h('h3', capital(domain)), charts);
      Object.keys(COSTS).forEach(key => learningCurve(charts, domain, key));
      const rows = runs.flatMap(each => {
        const curve = curveOf(each.run, domain);
        return curve ? curve.loss.map((loss, i) => h('tr', row(each.word), h('td', count(curve.tokens[i])),
          h('td', COSTS.FLOPS.format(curve.flops[i])), h('td', duration(curve.seconds[i])),
          h('td', fixed(loss, 4)), h('td', significant(Math.exp(loss), 4)))) : [];
      });
      at('curves').append(h('details', h('summary', `The numbers behind these two charts, ${domain}`),
        table('', null, [column('Model'), column('Tokens'), column('FLOPs'), column('Time'), column('Loss, nats'), column('Perplexity')], h('tbody', rows))));
    }
    if (data.speedups.length === 0) return;
    at('comparison').append(h('h3', 'The comparison in numbers'), table('', null,
      [column('Text and cost'), column('Target perplexity'), column('Dense needs'), column('Mixture needs'), column('Speedup factor'), column('Loss at equal cost, mixture minus dense')],
      h('tbody', data.speedups.map(speedup => {
        const { reading, equal } = speedup;
        const format = COSTS[speedup.cost].format;
        return h('tr', row(`${capital(speedup.domain)}, ${COSTS[speedup.cost].tile}`),
          h('td', significant(Math.exp(speedup.targetLoss))),
          h('td', reading ? format(reading.denseCost) : '–'),
          h('td', reading ? format(reading.moeCost) : '–'),
          h('td', reading ? [h('b', `${fixed(reading.factor, 2)}×`), h('span.range', `${fixed(reading.low, 2)} to ${fixed(reading.high, 2)}`)] : 'not reached'),
          h('td', equal ? [`${signed(equal.difference, 3)} nats`, h('span.range', `${signed(equal.low, 3)} to ${signed(equal.high, 3)}, at ${format(equal.cost)}`)] : '–'));
      }))));
  }

  // Each held-out text with both runs' perplexities.
  function domainEntries() {
    const all = new Map();
    for (const { kind, run } of runs) {
      for (const entry of run.perplexities) {
        if (!all.has(entry.domain)) all.set(entry.domain, { domain: entry.domain, inDomain: entry.inDomain });
        all.get(entry.domain)[kind] = entry.perplexity;
      }
    }
    return [...all.values()];
  }

  function domains() {
    const entries = domainEntries();
    if (entries.length === 0) {
      at('domains').append(h('div.empty', 'Not measured in this run.'));
      return;
    }
    const largest = Math.max(...entries.flatMap(entry => [entry.dense || 0, entry.moe || 0]));
    const line = (entry, selector) => {
      const ratio = entry.moe / entry.dense;
      const better = !known(ratio) ? '' : ratio < 0.99 ? '.better.moe' : ratio > 1.01 ? '.better.dense' : '';
      const bar = kind => h('i.' + kind, { style: `width:${100 * (entry[kind] || 0) / largest}%` });
      return h('tr' + selector,
        h('th', { scope: 'row' }, entry.domain, h('div.bars', { 'aria-hidden': 'true' }, bar('dense'), bar('moe'))),
        h('td', significant(entry.dense)), h('td', significant(entry.moe)), h('td' + better, fixed(ratio, 3)));
    };
    const bodies = [true, false].map(inDomain => {
      const group = entries.filter(entry => entry.inDomain === inDomain);
      if (group.length === 0) return null;
      const complete = group.filter(entry => known(entry.dense) && known(entry.moe));
      const mean = kind => complete.reduce((sum, entry) => sum + entry[kind] / complete.length, 0);
      return h('tbody.group',
        h('tr', h('th', { colspan: 4, scope: 'rowgroup' }, inDomain ? 'In-domain' : 'Out-of-domain')),
        group.map(entry => line(entry, '')),
        complete.length > 1 ? line({ domain: `mean of ${complete.length}`, dense: mean('dense'), moe: mean('moe') }, '.mean') : null);
    });
    at('domains').append(
      h('div.legend', { 'aria-hidden': 'true' }, h('span.key.dense.bar', 'dense'), h('span.key.moe.bar', 'mixture of experts')),
      table('.domains', null, [column('Held-out text'), column('Dense'), column('Mixture'), column('Ratio')], bodies));
  }

  function load() {
    const layers = data.moe.load;
    if (layers.length === 0) {
      at('load').append(h('div.empty', 'Not measured in this run.'));
      return;
    }
    for (const { layer, shares } of layers) {
      const experts = shares.length;
      const total = shares.reduce((sum, share) => sum + share, 0);
      const relative = shares.map(share => share / total * experts);
      const entropy = shares.reduce((sum, share) => share > 0 ? sum - share / total * Math.log(share / total) : sum, 0);
      const starved = relative.filter(value => value < 0.1).length;
      const facts = `busiest ${fixed(Math.max(...relative), 2)}×, quietest ${fixed(Math.min(...relative), 2)}×; effectively ${significant(Math.exp(entropy))} of ${experts} experts`
        + (starved ? `; ${starved} under a tenth of an even share` : '');
      at('load').append(h('div.layer',
        h('div.name', `Block ${layer}`),
        h('div.cells', { role: 'img', 'aria-label': `Load of the ${experts} experts of block ${layer}: ${facts}.`, style: `--columns:${Math.min(experts, 32)}` },
          relative.map((value, expert) => {
            const weight = Math.min(1, Math.abs(Math.log2(Math.max(value, 1e-9))) / 2) * 100;
            return h('div.cell.' + (value >= 1 ? 'over' : 'under') + (value < 0.1 ? '.starved' : ''), {
              style: `--weight:${weight.toFixed(1)}`,
              title: `Block ${layer}, expert ${expert}: ${significant(100 * shares[expert] / total)} % of the tokens, ${fixed(value, 2)} × an even share`,
            });
          })),
        h('div.facts', facts)));
    }
    at('load').append(h('div.scale', { 'aria-hidden': 'true' }, h('div.ramp'),
      h('div.ticks', ['≤ ¼×', '½×', '1 = even', '2×', '≥ 4×'].map(text => h('span', text)))));
    if (layers.some(({ shares }) => shares.some(share => share * shares.length < 0.1))) {
      at('load').append(h('p.note', 'Framed: experts under a tenth of an even share.'));
    }
  }

  function speed() {
    timeChart(at('speed'), 'Throughput', 'throughput', {
      fromZero: true, yLabel: 'tokens per second', yText: value => value === 0 ? '0' : si(value).replace(/\.0+(?=\D|$)/, ''),
      text: value => `${si(value)}tokens/s`, summary: (word, y, mean) => `${word} ${si(mean)}tokens per second on average`,
    });
    timeChart(at('speed'), 'Utilisation', 'utilisation', {
      fromZero: true, yLabel: 'of the measured matmul peak', yText: value => `${tickText(100 * value)} %`,
      text: value => `${fixed(100 * value, 1)} %`, summary: (word, y, mean) => `${word} ${fixed(100 * mean, 1)} % on average`,
    });
    timeChart(at('speed'), 'Training loss', 'trainingLoss', {
      byTokens: true, yLabel: 'nats per token', yText: tickText,
      text: value => `${fixed(value, 3)} nats`, summary: (word, y) => `${word} ends at ${fixed(last(y), 3)} nats per token`,
    });
  }

  function models() {
    const line = (name, cell) => h('tr', row(name), runs.map(each => h('td', cell(each.run))));
    at('models').append(table('', null, [column(''), ...runs.map(each => column(each.run.name))], h('tbody',
      line('Parameters', run => whole(run.parametersTotal)),
      line('Parameters that a token uses', run => whole(run.parametersActive)),
      line('Training FLOPs per token', run => si(run.flopsPerToken) + 'FLOP'),
      line('Router’s share of them', run => run.routerFlopsPerToken > 0 ? `${significant(100 * run.routerFlopsPerToken / run.flopsPerToken, 2)} %` : '–'),
      line('Tokens trained on', run => count(run.tokens)),
      line('Training compute', run => si(run.tokens * run.flopsPerToken) + 'FLOP'),
      line('Training time', run => duration(run.seconds)),
      line('Tokens per second', run => count(run.tokens / run.seconds)),
      line('Final learning rate', run => known(run.finalLearningRate) ? String(Number(run.finalLearningRate.toPrecision(3))) : '–'))));
    for (const { run } of runs) {
      at('configurations').append(h('details', h('summary', `Exact configuration: ${run.name}`), h('pre', { tabindex: 0 }, run.configuration)));
    }
  }

  function text() {
    at('text').append(
      table('.words', null, [column('Source'), column('Used for'), numbers('Documents'), numbers('Tokens')],
        h('tbody', data.text.sources.map(source => h('tr', row(source.name), h('td', source.use),
          h('td.n', whole(source.documents)), h('td.n', count(source.tokens)))))),
      h('p', data.text.heldOut),
      ...data.text.notes.map(note => h('p', note)),
      h('p', `Tokenizer ${data.tokenizer}, a vocabulary of ${whole(data.vocabulary)}.`));
  }

  function how() {
    const windows = [...new Set(data.speedups.map(each => whole(each.windows)))].join(' and ');
    at('how-interval').textContent = `95 % of ${whole(data.resamples)} paired bootstrap resamples of the held-out windows${windows ? ` (${windows} of them)` : ''}: each draws windows with replacement, the same for both models and all points, and applies the whole rule again, the choice of the target included. It shows how much the choice of held-out text matters. An interval that contains 1 is no difference that this run can show.`;
    at('how-seeds').textContent = `One seed each. Factors of models of this size differ by ±${data.seedSpread} or more between seeds, which the interval does not cover.`;
    at('machine').textContent = data.machine;
  }

  tiles();
  curves();
  domains();
  load();
  speed();
  models();
  text();
  how();
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
})();
