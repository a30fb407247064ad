/** The page's colours of now as bytes, for what is no element. */
import { parseRgb, type Palette } from '../lib/mapColours';

/** Computed from the tokens where `element` stands. Call it again when the theme changes. */
export function paletteOf(element: HTMLElement): Palette {
  const probe = document.createElement('span');
  probe.hidden = true;
  element.append(probe);
  const read = (className: string, value: string): Palette['none'] => {
    probe.className = className;
    probe.style.setProperty('color', value);
    return parseRgb(getComputedStyle(probe).color);
  };
  const palette = {
    classes: Array.from({ length: 10 }, (_, i) => read(`class-${i}`, 'var(--class)')),
    none: read('', 'var(--line-strong)'),
    bad: read('', 'var(--bad)'),
    ground: read('', 'var(--raised)'),
  };
  probe.remove();
  return palette;
}
