// The grid of cells: each axis in rows, in columns or averaged; coloured by what the reader chooses.
import {choice, el} from './dom';
import {dominant, kMetrics, meanOf, shade, subsystemColor, type Metric} from './sweep_metrics';
import type {Cell, Sweep} from './data';

type Place = 'rows' | 'columns' | 'average';
interface Axis { name: string; values: (string | number)[]; of: (cell: Cell) => string | number; place: Place; }

function axesOf(sweep: Sweep): Axis[] {
  const point = (c: Cell) => sweep.points[c.point];
  const of: [string, (c: Cell) => string | number][] = [['model', c => point(c).model], ['decoder', c => point(c).decoder], ['scheduler', c => point(c).scheduler], ['steps', c => point(c).steps], ['guidance', c => point(c).guidance], ['seed', c => c.seed]];
  const axes = of.map(([name, value]): Axis => {
    const values = [...new Set(sweep.cells.map(value))];
    if (values.every(v => typeof v === 'number')) (values as number[]).sort((a, b) => a - b);
    return {name, values, of: value, place: name === 'seed' ? 'average' : name === 'steps' || name === 'guidance' ? 'columns' : 'rows'};
  }).filter(a => a.values.length > 1);
  // Something must stand on each side.
  if (!axes.some(a => a.place === 'rows')) { const a = axes.find(k => k.name === 'guidance') ?? axes.find(k => k.place === 'average'); if (a) a.place = 'rows'; }
  if (!axes.some(a => a.place === 'columns')) { const a = axes.filter(k => k.place === 'rows')[1] ?? axes.find(k => k.place === 'average'); if (a) a.place = 'columns'; }
  return axes;
}

// Every combination of the axes' values; one empty combination when there are none.
function combinations(axes: Axis[]): (string | number)[][] {
  return axes.reduce<(string | number)[][]>((all, a) => all.flatMap(c => a.values.map(v => [...c, v])), [[]]);
}

const kVerdict = 'verdict';

export function sweepGrid(sweep: Sweep, choose: (cells: Cell[], what: string) => void): HTMLElement {
  const axes = axesOf(sweep), holder = el('div', {class: 'grid-holder'}), scale = el('div', {class: 'scale note'});
  const offered = kMetrics.filter(m => sweep.cells.some(c => m.value(c) !== null));
  let metric = offered[0]?.id ?? kVerdict;

  const paint = (td: HTMLElement, cells: Cell[], m: Metric | undefined, low: number, high: number) => {
    if (!cells.length) { td.textContent = ''; td.className = 'empty'; return; }
    if (!m) {
      const d = dominant(cells);
      td.textContent = d.name ? `${d.name} ${Math.round(100 * d.share)} %` : 'healthy';
      td.style.background = d.name ? `color-mix(in srgb, ${subsystemColor(d.name)} ${Math.round(30 + 70 * d.share)}%, var(--panel))` : 'var(--scale-good)';
      return;
    }
    const v = meanOf(m, cells);
    td.textContent = v === null ? '–' : m.text(v);
    if (v !== null) td.style.background = shade(m, v, low, high);
  };

  const draw = () => {
    const rowAxes = axes.filter(a => a.place === 'rows'), columnAxes = axes.filter(a => a.place === 'columns'), m = offered.find(k => k.id === metric);
    const rows = combinations(rowAxes), columns = combinations(columnAxes);
    const key = (list: (string | number)[]) => JSON.stringify(list), groups = new Map<string, Cell[]>();
    for (const c of sweep.cells) {
      const k = key([...rowAxes, ...columnAxes].map(a => a.of(c)));
      groups.set(k, [...(groups.get(k) ?? []), c]);
    }
    const means = m ? [...groups.values()].map(cells => meanOf(m, cells)).filter((v): v is number => v !== null) : [];
    const low = m?.share ? 0 : means.reduce((a, b) => Math.min(a, b), Infinity), high = m?.share ? 1 : means.reduce((a, b) => Math.max(a, b), -Infinity);
    const table = el('table', {class: 'sweep-grid', id: 'grid'});
    columnAxes.forEach((a, level) => {
      const tr = el('tr', {}, ...rowAxes.map(r => el('th', {}, level === columnAxes.length - 1 ? r.name : '')), el('th', {class: 'axis-name'}, a.name));
      const inner = combinations(columnAxes.slice(level + 1)).length;
      for (const head of combinations(columnAxes.slice(0, level + 1))) tr.append(el('th', {colspan: String(inner)}, String(head[level])));
      table.append(tr);
    });
    for (const row of rows) {
      const tr = el('tr', {}, ...row.map(v => el('th', {scope: 'row'}, String(v))), el('th', {}));
      for (const column of columns) {
        const cells = groups.get(key([...row, ...column])) ?? [], td = el('td', {tabindex: cells.length ? '0' : '-1'});
        const what = [...rowAxes.map((a, i) => `${a.name} ${row[i]}`), ...columnAxes.map((a, i) => `${a.name} ${column[i]}`)].join(', ') || 'all cells';
        paint(td, cells, m, low, high);
        td.title = `${what}: ${cells.length} cells`;
        const pick = () => { if (!cells.length) return; table.querySelectorAll('td.on').forEach(o => o.classList.remove('on')); td.classList.add('on'); choose(cells, what); };
        td.addEventListener('click', pick);
        td.addEventListener('keydown', e => { if (e.key === 'Enter') pick(); });
        tr.append(td);
      }
      table.append(tr);
    }
    holder.replaceChildren(table);
    scale.replaceChildren(...(m && means.length ? [el('span', {}, m.text(m.best === 'low' ? low : high)), el('i', {}), el('span', {}, m.text(m.best === 'low' ? high : low)), el('span', {}, `${m.name}, mean of each group`)] : [el('span', {}, 'the failure that most cells of a group show, and in how many')]));
  };

  const controls = el('div', {class: 'controls'}, choice('colour by', [...offered.map((m): [string, string] => [m.id, m.name]), [kVerdict, 'verdict']], metric, v => { metric = v; draw(); }, 'metric'));
  for (const a of axes) controls.append(choice(a.name, [['rows', 'in rows'], ['columns', 'in columns'], ['average', 'averaged']], a.place, v => { a.place = v as Place; draw(); }, `axis-${a.name}`));
  draw();
  return el('section', {class: 'grid'}, el('h2', {}, 'Cells'), controls, holder, scale);
}
