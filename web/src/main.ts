import './style.css';
import {comparisonView} from './comparison_view';
import {el} from './dom';
import {runView} from './run_view';
import {sweepView} from './sweep_view';
import type {Page} from './data';

interface View { name: string; element: HTMLElement; step?: () => number; setStep?: (step: number) => void; }

function viewsOf(page: Page): {subject: string; views: View[]} {
  if (page.sweep) return {subject: `a sweep: ${page.sweep.spec.request['prompt'] ?? ''}`, views: [{name: 'sweep', element: sweepView(page.sweep)}]};
  const runs = page.runs.map(run => ({name: run.id, ...runView(run)}));
  if (page.comparison && page.runs.length === 2) return {subject: 'two runs compared', views: [{name: 'comparison', ...comparisonView(page.comparison, page.runs[0], page.runs[1])}, ...runs]};
  return {subject: String(page.runs[0]?.resolved['prompt'] ?? ''), views: runs};
}

function show(page: Page, app: HTMLElement): void {
  const {subject, views} = viewsOf(page), body = el('div', {}), tabs = el('nav', {});
  let current = 0;
  const select = (i: number) => { current = i; body.replaceChildren(views[i].element); tabs.querySelectorAll('button').forEach((b, k) => b.classList.toggle('on', k === i)); };
  views.forEach((view, i) => { const b = el('button', {}, view.name); b.addEventListener('click', () => select(i)); tabs.append(b); });
  app.append(el('header', {}, el('h1', {}, 'Safelight'), el('span', {class: 'prompt', id: 'prompt'}, subject)));
  if (views.length > 1) app.append(tabs);
  app.append(body);
  select(0);
  document.addEventListener('keydown', e => {
    if (['INPUT', 'SELECT', 'TEXTAREA'].includes((e.target as HTMLElement).tagName)) return;
    const by = e.key === 'ArrowLeft' ? -1 : e.key === 'ArrowRight' ? 1 : 0, view = views[current];
    if (by && view.step && view.setStep) view.setStep(view.step() + by);
  });
}

const text = document.getElementById('safelight-data')?.textContent ?? 'null';
const page = JSON.parse(text) as Page | null;
const app = document.getElementById('app') as HTMLElement;
if (!page || !(page.runs.length || page.sweep)) app.append(el('p', {}, 'This page holds no run. `safelight report RUN` makes one that does.'));
else show(page, app);
