// Draws the results of studies from the embedded JSON.
(() => {
  const data = JSON.parse(document.getElementById('report-data').textContent);
  const { COSTS, PREFIXES, at, capital, chart, colour, column, count, duration, expertRow, expertScale, finish, fixed, h, known,
    last, logTicks, numbers, overlap, prefixOf, row, si, significant, table, tickText, whole } = Page;

  const GROUPS = {
    in_domain: { label: 'in-domain', word: 'perplexity', lower: true, kind: 'first' },
    out_of_domain: { label: 'out-of-domain', word: 'perplexity', lower: true, kind: 'second' },
    zero_shot: { label: 'zero-shot', word: 'accuracy', lower: false, kind: 'third' },
  };
  /** Assumed energy is only time in another unit, so its charts and factors are omitted. */
  const COST_KEYS = Object.keys(COSTS).filter(key => key !== 'JOULES' || !data.energy_assumed);
  const WINNERS = { MIXTURE_PAYS: 'moe', DENSE_PAYS: 'dense' };
  const percent = (value, digits = 1) => known(value) ? (100 * value).toFixed(digits) : '–';
  const range = (low, high, digits = 2) => known(low) && known(high) ? `${fixed(low, digits)} to ${fixed(high, digits)}` : 'no interval';
  const tag = (dense, text) => h('span.tag.' + (dense ? 'dense' : 'moe'), text);
  const section = (title, lead, ...content) =>
    h('section', h('h2', title), lead ? h('p.lead', lead) : null, ...content);
  const familyLegend = dots => h('div.legend', { 'aria-hidden': 'true' }, h('span.key.dense', 'dense'), h('span.key.moe', 'mixtures of experts'), dots ? h('span.key.dot', 'single runs') : null);

  function tiles(group) {
    for (const each of group.means) {
      if (!COST_KEYS.includes(each.cost) || (each.cost === 'JOULES' && each.group !== 'in_domain')) continue;
      if (each.group === 'zero_shot' && each.cost !== 'FLOPS') continue;
      const kind = WINNERS[each.verdict];
      const { label, word } = GROUPS[each.group];
      at('tiles').append(h('div.tile' + (kind ? '.' + kind : ''),
        h('div.label', `Speedup in ${COSTS[each.cost].tile}`, h('br'), label + (data.groups.length > 1 ? `, ${group.data}` : '')),
        h('div.value', known(each.factor) ? `${fixed(each.factor, 2)}×` : '–'),
        h('div.detail', h('span.verdict', each.words), h('br'),
          known(each.factor) ? [known(each.low) ? `95 % ${range(each.low, each.high)}` : 'no interval', h('br'), `at ${word} ${significant(each.target)}`] : 'nothing is extrapolated')));
    }
  }

  // --- costs -----------------------------------------------------------------------------------------------------

  const perSeed = (rung, field, format) => {
    const values = rung.seeds.map(seed => seed[field]).filter(known);
    if (values.length === 0) return '–';
    const mean = values.reduce((sum, value) => sum + value / values.length, 0);
    return values.length === 1 ? format(mean)
      : [format(mean), h('span.range', `${format(Math.min(...values))} to ${format(Math.max(...values))}`)];
  };

  function costs(group) {
    const head = [column('Model'), column('Parameters'), column('Active parameters'), column('Tokens'), column('Seeds'), column('FLOPs'),
      column('Router'), column('Time'), column(data.energy_assumed ? 'Energy (assumed)' : 'Energy'),
      column('Perplexity in-domain'), column('out-of-domain'), column('Zero-shot, %')];
    const rows = group.rungs.map(rung => h('tr',
      h('th', { scope: 'row' }, tag(rung.dense, rung.model)),
      h('td', count(rung.parameters_total)), h('td', count(rung.parameters_active)), h('td', count(rung.tokens)), h('td', rung.seeds.length),
      h('td', si(rung.flops) + 'FLOP'), h('td', rung.dense ? '–' : `${significant(100 * rung.router_share, 2)} %`),
      h('td', duration(rung.seconds)), h('td', si(rung.joules) + 'J'),
      h('td', perSeed(rung, 'in_domain', significant)), h('td', perSeed(rung, 'out_of_domain', significant)),
      h('td', perSeed(rung, 'zero_shot', value => fixed(value, 1)))));
    return section('Costs and results of each model',
      'Means over seeds, with the range below if there are several seeds. FLOPs are for the complete training.',
      table('.small', null, head, h('tbody', rows)),
      ...group.rungs.filter(rung => rung.largest).map(rung =>
        h('details', h('summary', `Exact configuration: ${rung.model}`), h('pre', { tabindex: 0 }, rung.configuration))));
  }

  // --- figures against costs -------------------------------------------------------------------------------------

  /** Draws single runs as dots, and the target with the two costs at which the families reach it. */
  function drawRuns(u, rungs, field, key, factor, place, comparison) {
    const context = u.ctx;
    const ratio = uPlot.pxRatio;
    context.save();
    for (const rung of rungs) {
      context.fillStyle = colour(rung.dense ? 'dense' : 'moe');
      context.globalAlpha = 0.5;
      for (const seed of rung.seeds) {
        if (!known(seed[key]) || !known(seed[field])) continue;
        context.beginPath();
        context.arc(u.valToPos(Math.log10(seed[field] / factor), 'x', true), u.valToPos(place(seed[key]), 'y', true), 2.5 * ratio, 0, 2 * Math.PI);
        context.fill();
      }
    }
    context.globalAlpha = 1;
    if (known(comparison.factor)) {
      const y = u.valToPos(place(comparison.target), 'y', true);
      const xs = [comparison.dense_cost, comparison.moe_cost].map(cost => u.valToPos(Math.log10(cost / factor), 'x', true));
      context.strokeStyle = colour('text');
      context.lineWidth = 2 * ratio;
      context.beginPath();
      context.moveTo(xs[0], y);
      context.lineTo(xs[1], y);
      context.stroke();
      Page.write(u, `${fixed(comparison.factor, 2)}× at ${significant(comparison.target)}`, (xs[0] + xs[1]) / 2, y + 15 * ratio,
        { align: 'center', bold: true, size: 13, colour: colour('text') });
    }
    context.restore();
  }

  function costChart(parent, group, comparison) {
    const cost = COSTS[comparison.cost];
    const { label, word, lower } = GROUPS[comparison.group];
    const fields = { FLOPS: 'flops', SECONDS: 'seconds', JOULES: 'joules' };
    const families = ['dense', 'moe'].map(kind => ({ kind, word: kind === 'dense' ? 'dense' : 'mixtures', ...comparison[kind] })).filter(each => each.cost.length);
    const rungs = group.rungs;
    const all = rungs.flatMap(rung => rung.seeds.map(seed => seed[fields[comparison.cost]])).filter(known);
    const figures = rungs.flatMap(rung => rung.seeds.map(seed => seed[comparison.group])).filter(known);
    if (!all.length || !figures.length) return;
    const { factor, label: xLabel } = cost.axis(Math.max(...all));
    const place = value => lower ? Math.log(value) : value;
    const unplace = value => lower ? Math.exp(value) : value;
    chart(parent, capital(cost.title), {
      label: `${capital(label)} ${word} ${cost.title}: ${families.map(each => `${each.word} end at ${significant(last(each.figure))} after ${cost.format(last(each.cost))}`).join('; ')}.`,
      series: families.map(each => ({ ...each, x: each.cost.map(c => Math.log10(c / factor)), y: each.figure.map(place), points: true })),
      xRange: [Math.log10(Math.min(...all) / factor), Math.log10(Math.max(...all) / factor)],
      yRange: [Math.min(...figures.map(place)), Math.max(...figures.map(place))],
      xLabel, yLabel: lower ? word : 'accuracy, %',
      xTicks: (low, high) => logTicks(10 ** low, 10 ** high).map(Math.log10),
      xText: value => tickText(10 ** value),
      yTicks: lower ? (low, high) => logTicks(Math.exp(low), Math.exp(high)).map(Math.log) : undefined,
      yText: value => tickText(unplace(value)),
      hover: (each, i) => [h('b', each.word), ` ${significant(unplace(each.y[i]))} at ${cost.format(each.cost[i])}`],
      draw: u => drawRuns(u, rungs, fields[comparison.cost], comparison.group, factor, place, comparison),
    });
  }

  function against(group) {
    const blocks = Object.keys(GROUPS).map(name => {
      const comparisons = group.means.filter(each => each.group === name && COST_KEYS.includes(each.cost));
      if (!comparisons.length) return null;
      const charts = h('div.charts.three');
      comparisons.forEach(each => costChart(charts, group, each));
      return [h('h3', capital(`${GROUPS[name].label} ${GROUPS[name].word}`)), charts];
    });
    return section('Results against costs',
      'Each line connects the best models of a family, as means over seeds. Dots are single runs. The bar spans the costs at which the two families reach the target, which is the worse of their best results.',
      familyLegend(true), ...blocks.flat());
  }

  // --- speedup ---------------------------------------------------------------------------------------------------

  /** Draws speedup over dense cost. curves: [{name, x, y}]; axis: an axis of COSTS, in the unit of the curves. */
  function speedupChart(parent, caption, curves, axis, format) {
    const drawn = curves.filter(each => each.x.length > 1);
    if (!drawn.length) {
      parent.append(h('figure', h('figcaption', caption), h('div.empty', 'The families have no results in common.')));
      return;
    }
    const highest = Math.max(...drawn.flatMap(each => each.y));
    chart(parent, caption, {
      label: `${caption}: ${drawn.map(each => `${GROUPS[each.name].label} from ${fixed(each.y[0], 2)} to ${fixed(last(each.y), 2)}`).join('; ')}.`,
      series: drawn.map(each => ({ kind: GROUPS[each.name].kind, word: GROUPS[each.name].label, x: each.x.map(x => Math.log10(x / axis.factor)), y: each.y, raw: each.x })),
      fromZero: true,
      yRange: [0, Math.max(1.2, highest)],
      xLabel: axis.label, yLabel: 'speedup factor',
      xTicks: (low, high) => logTicks(10 ** low, 10 ** high).map(Math.log10),
      xText: value => tickText(10 ** value), yText: tickText,
      hover: (each, i) => [h('b', each.word), ` ${fixed(each.y[i], 2)}× at ${format(each.raw[i])}`],
      draw: u => {
        const context = u.ctx;
        const y = u.valToPos(1, 'y', true);
        context.save();
        context.strokeStyle = colour('muted');
        context.setLineDash([2 * uPlot.pxRatio, 3 * uPlot.pxRatio]);
        context.beginPath();
        context.moveTo(u.bbox.left, y);
        context.lineTo(u.bbox.left + u.bbox.width, y);
        context.stroke();
        context.restore();
      },
    });
  }
  const groupLegend = names => h('div.legend', { 'aria-hidden': 'true' }, names.map(name => h(`span.key.${GROUPS[name].kind}`, GROUPS[name].label)));
  const ZETTA = { factor: 1, label: 'training compute of the dense model, ZFLOP' };

  function publishedChart(parent) {
    speedupChart(parent, 'Published study, FLOPs', Object.entries(data.published.curves)
      .map(([name, curve]) => ({ name, x: curve.dense_cost, y: curve.speedup })), ZETTA, value => `${significant(value)} ZFLOP`);
  }

  function speedup(group) {
    const charts = h('div.charts.three');
    for (const key of COST_KEYS) {
      const curves = group.means.filter(each => each.cost === key).map(each => ({ name: each.group, x: each.curve.dense_cost, y: each.curve.speedup }));
      const most = Math.max(0, ...curves.flatMap(each => each.x));
      const axis = COSTS[key].axis(most);
      speedupChart(charts, `This study, ${COSTS[key].tile}`, curves, { ...axis, label: axis.label.replace('training', 'dense training') }, COSTS[key].format);
    }
    if (data.published) publishedChart(charts);
    const rows = group.means.filter(each => COST_KEYS.includes(each.cost)).map(each => factorRow(`${capital(GROUPS[each.group].label)}, ${COSTS[each.cost].tile}`, each));
    return section('Speedup factor',
      'The cost of dense models divided by the cost of equally good mixtures, over the dense cost. Above 1 mixtures pay.',
      groupLegend(Object.keys(GROUPS)), charts,
      h('h3', 'At the best result that both families reach'), table('.small', null, FACTOR_HEAD('Result and cost'), h('tbody', rows)));
  }

  const FACTOR_HEAD = first => [column(first), column('Target'), column('Dense needs'), column('Mixtures need'), column('Speedup factor'), column('95 %'), column('Verdict')];
  function factorRow(name, each) {
    const format = COSTS[each.cost].format;
    const kind = WINNERS[each.verdict];
    return h('tr', row(name), h('td', significant(each.target)), h('td', known(each.dense_cost) ? format(each.dense_cost) : '–'),
      h('td', known(each.moe_cost) ? format(each.moe_cost) : '–'), h('td', known(each.factor) ? h('b', `${fixed(each.factor, 2)}×`) : '–'),
      h('td', known(each.factor) ? range(each.low, each.high) : '–'),
      h('td' + (kind ? `.better.${kind}` : ''), each.words));
  }

  function byMember(group) {
    const names = [...new Set(group.members.map(each => `${each.group}/${each.member}`))];
    const bodies = Object.keys(GROUPS).map(name => {
      const members = names.filter(each => each.startsWith(name + '/'));
      if (!members.length) return null;
      return h('tbody.group', h('tr', h('th', { colspan: 6, scope: 'rowgroup' }, capital(GROUPS[name].label))),
        members.map(id => {
          const find = cost => group.members.find(each => `${each.group}/${each.member}` === id && each.cost === cost);
          const [flops, seconds] = [find('FLOPS'), find('SECONDS')];
          const cell = each => [h('td', known(each.factor) ? h('b', `${fixed(each.factor, 2)}×`) : '–'),
            h('td', !known(each.factor) ? 'not enclosed' : range(each.low, each.high))];
          return h('tr', row(flops.member), h('td', significant(flops.target)), cell(flops), cell(seconds));
        }));
    });
    return section('Speedup factor by text and task', 'Factors at the best result that both families reach on the text or task, in FLOPs and in time on this machine. Intervals cover seeds. Intervals of tasks also cover questions.',
      table('.small', null, [column('Text or task'), column('Target'), column('In FLOPs'), column('95 %'), column('In time'), column('95 %')], bodies));
  }

  // --- tables of all models --------------------------------------------------------------------------------------

  const largest = group => group.rungs.filter(rung => rung.largest);
  const modelColumns = group => largest(group).map(rung => h('th', { scope: 'col' }, tag(rung.dense, rung.model)));

  function texts(group) {
    if (!group.texts.length) return null;
    const bodies = [true, false].map(inDomain => {
      const rows = group.texts.filter(text => text.in_domain === inDomain);
      if (!rows.length) return null;
      return h('tbody.group', h('tr', h('th', { colspan: 2 + largest(group).length, scope: 'rowgroup' }, inDomain ? 'In-domain' : 'Out-of-domain')),
        rows.map(text => h('tr', row(text.name), overlap(text.training_overlap), text.values.map(value => h('td', value ? { title: `${fixed(value.bits_per_byte, 3)} bits per byte` } : {},
          value ? [significant(value.mean), value.high > value.low ? h('span.range', `${significant(value.low)} to ${significant(value.high)}`) : null] : '–')))));
    });
    return section('Perplexity by text', 'Each model at its largest budget: mean over seeds, and their range. A text is marked if more than 1 % of it occurs in the training text. Perplexities on it are too low.',
      table('.small', null, [column('Text'), column('In the training text'), ...modelColumns(group)], bodies));
  }

  /** Counts of the questions that did not fit a model's context. */
  const misfits = value => [value.left_out ? `${whole(value.left_out)} left out` : '', value.cut_prompts ? `${whole(value.cut_prompts)} cut` : ''].filter(Boolean).join(', ');

  function tasks(group, name, title, lead) {
    const rows = group[name];
    if (!rows.length) return null;
    const isShare = row => !row.figure.includes('perplexity');
    const format = (row, value) => isShare(row) ? percent(value) : significant(value);
    const shown = rows.map(each => h('tr', row(each.figure === 'accuracy' ? each.task : `${each.task}, ${each.figure}`),
      h('td', whole(each.questions)), h('td', known(each.chance) ? format(each, each.chance) : '–'),
      each.values.map(value => value === null ? h('td', '–') : h('td' + (known(each.chance) && value.low > each.chance ? '.above' : ''),
        [format(each, value.mean), h('span.range', `${format(each, value.low)} to ${format(each, value.high)}`),
          misfits(value) ? h('span.range', misfits(value)) : null]))));
    const shots = name === 'few_shot' && rows[0] ? ` ${rows[0].shots} example(s) before each question, mean of ${rows[0].runs} draws.` : '';
    return section(title, lead + shots, table('.small', null, [column('Task'), column('Questions'), column('Chance'), ...modelColumns(group)], h('tbody', shown)));
  }

  function fineTuned(group) {
    if (!group.fine_tuned.length) return null;
    const cell = figure => figure ? [percent(figure.mean), h('span.range', `${percent(figure.low)} to ${percent(figure.high)}`)] : '–';
    const rows = group.fine_tuned.map(each => {
      const gain = each.fine_tuned && each.zero_shot ? each.fine_tuned.mean - each.zero_shot.mean : NaN;
      return h('tr', h('th', { scope: 'row' }, tag(each.dense, each.model)), h('td', each.name), h('td', percent(each.chance)),
        h('td', cell(each.zero_shot)), h('td', cell(each.fine_tuned)),
        h('td', each.fine_tuned && known(each.fine_tuned.deviation) ? `± ${percent(each.fine_tuned.deviation)}` : 'one seed'),
        h('td', known(gain) ? (gain < 0 ? '−' : '+') + percent(Math.abs(gain)) : '–'), h('td', known(each.learning_rate) ? each.learning_rate.toExponential(0) : '–'));
    });
    return section('Fine-tuned against zero-shot', 'Accuracy in percent of the same checkpoint before and after fine-tuning of all weights, with 95 % intervals over questions. The learning rate is the best of a grid on validation questions.',
      table('.small', null, [column('Model'), column('Task'), column('Chance'), column('Zero-shot'), column('Fine-tuned'), column('Over seeds'), column('Difference'), column('Rate')], h('tbody', rows)));
  }

  function experts(group) {
    if (!group.experts.length) return null;
    return section('Which experts serve which text',
      'The share of a text’s tokens that each expert received, relative to an even share. A row that differs from the others shows experts that specialise in that text. Rows that look alike show no specialisation by text.',
      ...group.experts.map((model, i) => h('details', i === 0 ? { open: '' } : {}, h('summary', `${model.model}, seed ${model.seed}`),
        model.layers.map(layer => [h('h3', `Block ${layer.layer}`), layer.rows.map(each => expertRow({
          name: each.text, columns: each.relative.length,
          label: `${model.model}, block ${layer.layer}, ${each.text}`,
          relative: each.relative,
          title: (expert, value) => `${each.text}, expert ${expert}: ${fixed(value, 2)} × an even share`,
        }))]))),
      expertScale());
  }

  // --- the page --------------------------------------------------------------------------------------------------

  function published() {
    if (!data.published) return;
    at('s-published').hidden = false;
    at('published-source').textContent = capital(data.published.source) + '.';
    const charts = h('div.charts');
    at('published').append(groupLegend(Object.keys(GROUPS)), familyLegend(), charts,
      table('.small', null, [column('Model'), column('ZFLOP'), column('In-domain perplexity'), column('Out-of-domain perplexity'), column('Zero-shot, %')],
        h('tbody', data.published.models.map(model => h('tr', h('th', { scope: 'row' }, tag(model.dense, model.model)), h('td', significant(model.zettaflops)),
          h('td', fixed(model.in_domain, 2)), h('td', fixed(model.out_of_domain, 2)), h('td', fixed(model.zero_shot, 1)))))));
    publishedChart(charts);
    for (const name of ['in_domain', 'out_of_domain']) {
      const families = ['dense', 'moe'].map(kind => ({ kind, word: kind === 'dense' ? 'dense' : 'mixtures', models: data.published.models.filter(model => model.dense === (kind === 'dense')) }));
      chart(charts, `Published study: ${GROUPS[name].label} perplexity`, {
        label: `Published ${GROUPS[name].label} perplexity against compute`,
        series: families.map(each => ({ ...each, points: true, x: each.models.map(model => Math.log10(model.zettaflops)), y: each.models.map(model => Math.log(model[name])) })),
        xLabel: 'training compute, ZFLOP', yLabel: 'perplexity',
        xTicks: (low, high) => logTicks(10 ** low, 10 ** high).map(Math.log10), xText: value => tickText(10 ** value),
        yTicks: (low, high) => logTicks(Math.exp(low), Math.exp(high)).map(Math.log), yText: value => tickText(Math.exp(value)),
        hover: (each, i) => [h('b', each.models[i].model), ` ${fixed(each.models[i][name], 2)} at ${significant(each.models[i].zettaflops)} ZFLOP`],
      });
    }
  }

  data.limits.forEach(limit => at('limits').append(h('li', limit)));
  at('s-limits').hidden = data.limits.length === 0;
  for (const group of data.groups) {
    tiles(group);
    const parent = at('groups');
    if (data.groups.length > 1) parent.append(h('h2.data', `Trained on ${group.data}`));
    const grown = [costs, against, speedup, byMember, texts,
      each => tasks(each, 'zero_shot', 'Zero-shot tasks', 'Accuracy in percent with its 95 % interval over questions; bold if the complete interval is above chance. Questions that do not fit a model’s context are left out, and longer prompts are cut at their beginning. Both are counted below the accuracy.'),
      each => tasks(each, 'few_shot', 'Few-shot tasks', 'As above.'),
      fineTuned,
      each => tasks(each, 'bias', 'Bias', 'CrowS-Pairs: the share of pairs in which the model prefers the stereotype; 50 means no bias. StereoSet: LMS is the share of questions in which the model prefers a meaningful sentence, SS the share in which it prefers the stereotype, and ICAT combines both.'),
      experts];
    for (const make of grown) {
      const made = make(group);
      if (made) parent.append(made);
    }
  }
  published();
  at('how-energy').textContent = data.energy_assumed
    ? `Not measured on this machine. It is training time at ${data.watts.join(' or ')} W for each run, an assumption, so it is only another unit of time.`
    : 'Energy counters of the processors (RAPL), split evenly among the runs that ran in parallel.';
  at('how-interval').textContent = '95 % by Student’s t on the logarithm of the factor. The variance is a sum of parts: each model’s seeds, the texts of a mean perplexity, and the questions of accuracies. The parts of seeds and texts come from the jackknife, which leaves out one at a time and reads the factor again. Degrees of freedom follow Satterthwaite. If an interval contains 1, the study shows no difference. A factor that depends on a model with one seed has no interval and is undecided.';
  at('machine').textContent = data.machines.join('; ') || '–';
  finish();
})();
