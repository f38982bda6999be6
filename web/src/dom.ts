// Elements without markup strings: text from a prompt can never become code.
type Child = Node | string | null | undefined;
export function el(tag: string, attributes: Record<string, string> = {}, ...children: Child[]): HTMLElement {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
  for (const c of children) if (c !== null && c !== undefined) e.append(c);
  return e;
}
export function svg(tag: string, attributes: Record<string, string | number>, text?: string): SVGElement {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, String(v));
  if (text !== undefined) e.textContent = text;
  return e;
}
export function number(v: number | null | undefined, digits = 3): string {
  if (v === null || v === undefined || !Number.isFinite(v)) return '–';
  return Math.abs(v) >= 1e5 || (v !== 0 && Math.abs(v) < 1e-3) ? v.toExponential(2) : String(Number(v.toPrecision(digits)));
}
export function button(text: string, act: () => void, attributes: Record<string, string> = {}): HTMLElement {
  const b = el('button', {type: 'button', ...attributes}, text);
  b.addEventListener('click', act);
  return b;
}
export function table(heads: string[], ...rows: Child[][]): HTMLElement {
  return el('table', {}, el('tr', {}, ...heads.map(h => el('th', {}, h))), ...rows.map(row => el('tr', {}, ...row.map(c => el('td', {}, c)))));
}
// A choice of one among several, as a select with its label.
export function choice(label: string, options: [value: string, text: string][], value: string, act: (value: string) => void, id = ''): HTMLElement {
  const select = el('select', id ? {id} : {}) as HTMLSelectElement;
  for (const [v, t] of options) select.append(el('option', {value: v}, t));
  select.value = value;
  select.addEventListener('change', () => act(select.value));
  return el('label', {class: 'choice'}, label, select);
}
// Links go where they are expected to: pages beside this one, or references on the web.
export function webLink(address: string): HTMLElement {
  return /^https:\/\//.test(address) ? el('a', {href: address, rel: 'noreferrer noopener'}, address.replace(/^https:\/\//, '')) : el('span', {}, address);
}
export function pageLink(page: string | null, text: string): HTMLElement | null {
  return page && !/^[a-z][a-z0-9+.-]*:|^\/\//i.test(page) ? el('a', {href: page.split('/').map(encodeURIComponent).join('/')}, text) : null;
}
