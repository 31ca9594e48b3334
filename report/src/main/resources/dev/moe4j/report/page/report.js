// Draws the comparison of two runs from the embedded JSON.
(() => {
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const runs = [
    { kind: 'dense', word: 'dense', run: data.dense },
    { kind: 'moe', word: 'mixture', run: data.moe },
  ];
  const { COSTS, at, capital, chart, colour, column, count, duration, expertRow, expertScale, finish, fixed, h, known, last,
    logTicks, numbers, overlap, prefixOf, row, si, significant, signed, table, tickText, whole, write } = Page;

  const curveOf = (run, domain) => run.curves.find(curve => curve.domain === domain);

  /** Draws the target and the two costs at which the curves reach it. */
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
      write(u, 'not safely enclosed by both curves: no factor', left + width, y + 26 * ratio, { align: 'right', colour: text });
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
    // The curves run above the arrow. Below it, the space between the two drop lines is free.
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

  function tiles() {
    for (const speedup of data.speedups) {
      const reading = speedup.reading;
      at('tiles').append(h('div.tile', { title: speedup.sentence },
        h('div.label', `Speedup in ${COSTS[speedup.cost].tile}`, h('br'), speedup.domain),
        h('div.value', reading ? `${fixed(reading.factor, 2)}×` : '–'),
        h('div.detail', h('span.verdict', speedup.words), h('br'),
          reading ? `95 % over held-out text ${fixed(reading.low, 2)} to ${fixed(reading.high, 2)}` : 'the curves do not safely enclose the target')));
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
      ['FLOPS', 'SECONDS'].forEach(key => learningCurve(charts, domain, key));
      const rows = runs.flatMap(each => {
        const curve = curveOf(each.run, domain);
        return curve ? curve.loss.map((loss, i) => h('tr', row(each.word), h('td', count(curve.tokens[i])),
          h('td', COSTS.FLOPS.format(curve.flops[i])), h('td', duration(curve.seconds[i])),
          h('td', fixed(loss, 4)), h('td', significant(Math.exp(loss), 4)))) : [];
      });
      at('curves').append(h('details', h('summary', `The values of these two charts, ${domain}`),
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

  // Both runs' perplexities of each held-out text.
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
      const total = shares.reduce((sum, share) => sum + share, 0);
      at('load').append(expertRow({
        name: `Block ${layer}`,
        label: `Load of the ${shares.length} experts of block ${layer}`,
        relative: shares.map(share => share / total * shares.length),
        title: (expert, value) => `Block ${layer}, expert ${expert}: ${significant(100 * shares[expert] / total)} % of the tokens, ${fixed(value, 2)} × an even share`,
      }));
    }
    at('load').append(expertScale());
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
      line('Active parameters', run => whole(run.parametersActive)),
      line('Training FLOPs per token', run => si(run.flopsPerToken) + 'FLOP'),
      line('Router’s share of FLOPs', run => run.routerFlopsPerToken > 0 ? `${significant(100 * run.routerFlopsPerToken / run.flopsPerToken, 2)} %` : '–'),
      line('Training tokens', run => count(run.tokens)),
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
      table('.words', null, [column('Source'), column('Used for'), numbers('Documents'), numbers('Tokens'), column('In the training text')],
        h('tbody', data.text.sources.map(source => h('tr', row(source.name), h('td', source.use),
          h('td.n', whole(source.documents)), h('td.n', count(source.tokens)),
          source.use === 'training' ? h('td', '–') : overlap(source.overlap))))),
      h('p', 'In the training text: the share of the text’s sequences of 13 words that also occur in the training text. Above 1 %, both perplexities on the text are too low.'),
      h('p', data.text.heldOut),
      ...data.text.notes.map(note => h('p', note)),
      h('p', `Tokenizer: ${data.tokenizer}, with a vocabulary of ${whole(data.vocabulary)} tokens.`));
  }

  function how() {
    const windows = [...new Set(data.speedups.map(each => whole(each.windows)))].join(' and ');
    at('how-interval').textContent = `95 % of ${whole(data.resamples)} paired bootstrap resamples of the held-out windows${windows ? ` (${windows} of them)` : ''}. Each resample draws windows with replacement, the same for both models and all points, and applies the complete rule again, including the choice of the target. The interval shows how much the choice of held-out text matters. It does not cover the seed, so it cannot decide the comparison.`;
    at('how-seeds').textContent = `Each model has one seed, so every factor is undecided: the variation between seeds is unknown. Factors of models of this size (width 64) differed by ±${data.seedSpread} or more between seeds. A study with several seeds can decide.`;
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
  finish();
})();
