'use strict';

const SECONDS = 120;
const ALTERNATIVES = 5;
const END_OF_TEXT = '<|endoftext|>';
const element = id => document.getElementById(id);
const colour = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const whole = number => Math.round(number).toLocaleString('en-US');

// Server load: polls the counters once per second and draws them as rates.

const seen = [[], [], [], [], []];
const loads = []; // expert choice counts at the times in seen
let last = null;
let plots = [];

function plot(id, format) {
  const holder = element(id);
  const axis = { stroke: colour('muted'), grid: { stroke: colour('grid'), width: 1 }, ticks: { show: false } };
  return new uPlot({
    width: holder.clientWidth,
    height: 190,
    cursor: { show: false },
    legend: { show: false },
    scales: { x: { time: false, range: [-SECONDS, 0] }, y: { range: (_, __, most) => [0, Math.max(1, most * 1.1)] } },
    axes: [
      { ...axis, values: (_, splits) => splits.map(second => (second === 0 ? 'now' : `${second} s`)) },
      { ...axis, size: 60, values: (_, splits) => splits.map(format) },
    ],
    series: [
      {},
      { stroke: colour('first'), width: 2, points: { show: false } },
      { stroke: colour('second'), width: 2, dash: [6, 4], points: { show: false } },
    ],
  }, [[], [], []], holder);
}

function drawAll() {
  plots.forEach(each => each.destroy());
  plots = [plot('rates', whole), plot('texts', number => (Number.isInteger(number) ? String(number) : ''))];
  drawData();
}

function drawData() {
  const now = seen[0].at(-1) ?? 0;
  const ago = seen[0].map(time => time - now);
  plots[0].setData([ago, seen[1], seen[2]]);
  plots[1].setData([ago, seen[3], seen[4]]);
}

function describe(model) {
  document.title = `${model.name} · moe4j`;
  element('name').textContent = model.name;
  const size = count => (count >= 1e9 ? `${(count / 1e9).toPrecision(3)} billion`
    : count >= 1e6 ? `${(count / 1e6).toPrecision(3)} million` : whole(count));
  element('facts').textContent = [
    model.experts > 0
      ? `mixture of ${model.experts} experts on ${model.moe_layers} of ${model.layers} layers`
      : `dense, ${model.layers} layers`,
    `${size(model.parameters)} parameters` + (model.experts > 0 ? `, ${size(model.active_parameters)} for each token` : ''),
    `context of ${whole(model.context)} tokens`,
    `tokenizer ${model.tokenizer}`,
    `${model.precision} on ${model.device}`,
  ].join(' · ');
}

/** Draws one cell per expert, coloured by the expert's share of the router's choices in the period of loads. */
function drawExperts(status) {
  const before = loads[0] ?? [];
  const layers = status.expert_load.map((counts, layer) => counts.map((count, i) => count - (before[layer]?.[i] ?? 0)));
  if (layers.length === 0 || layers[0].every(count => count === 0)) {
    return; // a dense model or an idle server: keep the last picture
  }
  element('experts').hidden = false;
  element('layers').replaceChildren(...layers.map((counts, layer) => {
    const total = counts.reduce((sum, count) => sum + count, 0);
    const row = document.createElement('div');
    row.className = 'layer';
    const name = document.createElement('div');
    name.className = 'name';
    name.textContent = `MoE layer ${layer + 1}`;
    const cells = document.createElement('div');
    cells.className = 'cells';
    counts.forEach((count, expert) => {
      const share = count * counts.length / total;
      const cell = document.createElement('div');
      cell.className = `cell ${share >= 1 ? 'over' : 'under'}`;
      cell.style.setProperty('--weight', String(Math.min(1, Math.abs(share - 1))));
      cell.title = `expert ${expert}: ${whole(count)} choices, ${share.toFixed(2)} of an even share`;
      cells.append(cell);
    });
    row.append(name, cells);
    return row;
  }));
}

function show(status) {
  const now = status.uptime_seconds;
  if (last !== null && now <= last.uptime_seconds) { // the server was restarted
    seen.forEach(values => values.splice(0));
    loads.splice(0);
    last = null;
  }
  if (last === null) {
    describe(status.model);
  } else {
    const seconds = now - last.uptime_seconds;
    const made = (status.generated_tokens - last.generated_tokens) / seconds;
    const read = (status.prompt_tokens - last.prompt_tokens) / seconds;
    [now, made, read, status.active, status.waiting].forEach((value, i) => seen[i].push(value));
    loads.push(last.expert_load);
    while (seen[0][0] < now - SECONDS) {
      seen.forEach(values => values.shift());
      loads.shift();
    }
    drawExperts(status);
    element('rate').textContent = whole(made);
    drawData();
  }
  element('active').textContent = status.active;
  element('waiting').textContent = status.waiting;
  element('places').textContent = `of ${status.places} at a time`;
  element('made').textContent = whole(status.generated_tokens);
  element('read').textContent = `and ${whole(status.prompt_tokens)} prompt tokens`;
  last = status;
}

async function status() {
  return (await fetch('status', { cache: 'no-store' })).json();
}

async function poll() {
  try {
    show(await status());
    element('state').textContent = 'running';
    element('state').className = '';
    document.documentElement.dataset.ready = '';
  } catch {
    element('state').textContent = 'no answer from the server';
    element('state').className = 'lost';
  }
  setTimeout(poll, 1000);
}

// Generation: streams a text and shows the alternatives of each token.

let running = null;

function request() {
  const body = {
    prompt: element('prompt').value,
    max_tokens: Number(element('tokens').value),
    temperature: Number(element('temperature').value),
    top_k: Number(element('top-k').value),
    top_p: Number(element('top-p').value),
  };
  if (element('seed').value !== '') {
    body.seed = Number(element('seed').value);
  }
  if (element('stop').value !== '') {
    body.stop = element('stop').value;
  }
  return body;
}

function headers() {
  const key = element('key').value;
  return { 'Content-Type': 'application/json', ...(key === '' ? {} : { Authorization: `Bearer ${key}` }) };
}

/**
 * Lowers max_tokens so that the prompt and the generated text fit into the context. The server counts the prompt's tokens.
 * A short prompt needs no request, because a tokenizer makes at most about one token per byte.
 */
async function fitting(wanted, signal) {
  const { context } = (last ?? await status()).model;
  const bytes = new TextEncoder().encode(wanted.prompt).length;
  if (bytes + 1 + wanted.max_tokens <= context) {
    return wanted;
  }
  const response = await post({ prompt: wanted.prompt, max_tokens: 0 }, signal);
  const free = context - (await response.json()).usage.prompt_tokens;
  return { ...wanted, max_tokens: Math.max(1, Math.min(wanted.max_tokens, free)) };
}

async function post(body, signal) {
  const response = await fetch('v1/completions', {
    method: 'POST', headers: headers(), body: JSON.stringify(body), signal,
  });
  if (!response.ok) {
    throw new Error((await response.json()).error.message);
  }
  return response;
}

function showCommand(wanted) {
  const quoted = JSON.stringify(wanted).replaceAll("'", "'\\''");
  const key = element('key').value === '' ? '' : "-H 'Authorization: Bearer YOUR_KEY' ";
  element('curl').textContent = `curl ${location.origin}/v1/completions -H 'Content-Type: application/json' ${key}\\\n  -d '${quoted}'`;
}

async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) {
      return;
    }
    rest += value;
    for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
      yield rest.slice(0, end).replace(/^data: /, '');
      rest = rest.slice(end + 2);
    }
  }
}

function span(text, kind) {
  const node = document.createElement('span');
  node.className = kind;
  node.textContent = text;
  element('answer').append(node);
  return node;
}

/** Adds a piece of one or more tokens. A token's text ends where the next token starts. Offsets are in code points. */
function addPiece(choice, characters, begin) {
  const scored = choice.logprobs;
  const part = (from, to) => characters.slice(from, to).join('');
  const starts = scored.text_offset.map(offset => Math.max(0, offset - begin));
  if (starts.length === 0 || starts[0] > 0) {
    span(part(0, starts[0] ?? characters.length), 'rest');
  }
  starts.forEach((start, i) => {
    if (scored.tokens[i] === END_OF_TEXT) {
      return; // it does not have a text
    }
    const node = span(part(start, starts[i + 1] ?? characters.length), 'token');
    const probability = Math.exp(scored.token_logprobs[i]);
    node.style.setProperty('--doubt', String(1 - probability));
    node.title = Object.entries(scored.top_logprobs[i])
      .sort((a, b) => b[1] - a[1])
      .map(([text, nats]) => `${(100 * Math.exp(nats)).toFixed(1).padStart(5)} %  ${JSON.stringify(text)}`)
      .join('\n');
  });
}

async function run(event) {
  event.preventDefault();
  running = new AbortController();
  element('go').disabled = true;
  element('halt').disabled = false;
  const summary = element('summary');
  summary.className = 'note';
  summary.textContent = 'waiting for the first token …';
  element('answer').replaceChildren();
  const asked = request();
  span(asked.prompt, 'given');
  const start = performance.now();
  let first = null;
  let length = 0;
  let tokens = 0;
  let finish = 'running';
  const tell = () => {
    const seconds = (performance.now() - start) / 1000;
    const rate = seconds > first && tokens > 1 ? `, ${((tokens - 1) / (seconds - first)).toFixed(1)} tokens/s` : '';
    summary.textContent = `${tokens} tokens in ${seconds.toFixed(2)} s, the first after ${first.toFixed(2)} s${rate}, ${finish}`;
  };
  try {
    const wanted = await fitting(asked, running.signal);
    showCommand(wanted);
    const response = await post({ ...wanted, stream: true, logprobs: ALTERNATIVES }, running.signal);
    for await (const data of events(response)) {
      if (data === '[DONE]') {
        break;
      }
      const answer = JSON.parse(data);
      if (answer.error) {
        throw new Error(answer.error.message);
      }
      const choice = answer.choices[0];
      first ??= (performance.now() - start) / 1000;
      if (choice.finish_reason) {
        finish = choice.finish_reason !== 'length' ? 'the text ended'
          : wanted.max_tokens < asked.max_tokens ? 'the context is full' : 'all requested tokens generated';
      } else {
        const characters = [...choice.text];
        addPiece(choice, characters, length);
        length += characters.length;
        tokens += choice.logprobs.tokens.filter(token => token !== END_OF_TEXT).length;
      }
      tell();
    }
    if (finish === 'running') {
      throw new Error('the server cut the text off');
    }
  } catch (problem) {
    if (problem.name === 'AbortError') {
      finish = 'stopped';
      if (first !== null) {
        tell();
      } else {
        summary.textContent = 'stopped';
      }
    } else {
      summary.className = 'note wrong';
      summary.textContent = problem.message;
    }
  }
  running = null;
  element('go').disabled = false;
  element('halt').disabled = true;
}

element('form').addEventListener('submit', run);
element('form').addEventListener('input', () => showCommand(request()));
element('halt').addEventListener('click', () => running?.abort());
element('shade').addEventListener('change', event => element('answer').classList.toggle('shaded', event.target.checked));
window.addEventListener('resize', drawAll);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
showCommand(request());
drawAll();
poll();
