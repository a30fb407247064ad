/** A chart on the page as a drawing of its own: SVG with every colour resolved, and the same as pixels. */

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = [
  'fill',
  'fill-opacity',
  'fill-rule',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-opacity',
  'stroke-linejoin',
  'opacity',
  'paint-order',
  'font-size',
  'font-weight',
  'text-anchor',
  'dominant-baseline',
] as const;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';
const HEAD = 28;
const MARGIN = 12;

/** The chart as it looks on light paper, under its title; links and what only a pointer needs are left out. */
export function svgOf(chart: SVGSVGElement, title: string): string {
  const copy = chart.cloneNode(true) as SVGSVGElement;
  const stage = document.createElement('div');
  stage.setAttribute('aria-hidden', 'true');
  Object.assign(stage.style, { position: 'fixed', left: '-99999px', colorScheme: 'light' });
  // Beside the chart, because styles reach it only where it stands.
  stage.append(copy);
  chart.after(stage);
  try {
    for (const element of copy.querySelectorAll('[data-only-page]')) element.remove();
    const elements = [...copy.querySelectorAll<SVGElement>('*')];
    for (const element of elements) resolve(element);
    // Only now: what a class says of an element, those inside of it may need.
    for (const element of elements) strip(element);
  } finally {
    stage.remove();
  }
  const width = Number(chart.getAttribute('width')) + 2 * MARGIN;
  const height = Number(chart.getAttribute('height')) + HEAD + 2 * MARGIN;
  return framed([...copy.childNodes], title, width, height);
}

function resolve(element: SVGElement): void {
  const style = getComputedStyle(element);
  for (const name of PROPERTIES) {
    const value = style.getPropertyValue(name);
    if (value !== '') element.setAttribute(name, name === 'fill' || name === 'stroke' ? plain(value) : value);
  }
}

function strip(element: SVGElement): void {
  for (const name of ['class', 'style', 'tabindex', 'role']) element.removeAttribute(name);
}

/** A colour in a notation that every program reads: browsers answer mixed ones as `oklab(…)`. */
function plain(colour: string): string {
  if (/^(none|#|rgb|url|transparent)/.test(colour)) return colour;
  const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  if (context === null) return colour;
  context.fillStyle = colour;
  context.fillRect(0, 0, 1, 1);
  const [red = 0, green = 0, blue = 0, alpha = 255] = context.getImageData(0, 0, 1, 1).data;
  return `rgba(${red}, ${green}, ${blue}, ${Number((alpha / 255).toFixed(3))})`;
}

function framed(drawn: readonly ChildNode[], title: string, width: number, height: number): string {
  const svg = document.createElementNS(SVG, 'svg');
  const set = (element: Element, attributes: Record<string, string | number>): Element => {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
    return element;
  };
  set(svg, { width, height, viewBox: `0 0 ${width} ${height}`, 'font-family': FONT });
  const paper = set(document.createElementNS(SVG, 'rect'), { width, height, fill: '#ffffff' });
  const heading = set(document.createElementNS(SVG, 'text'), {
    x: MARGIN,
    y: MARGIN + 14,
    'font-size': 15,
    'font-weight': 600,
    fill: '#16191f',
  });
  heading.textContent = title;
  const group = set(document.createElementNS(SVG, 'g'), {
    transform: `translate(${MARGIN} ${MARGIN + HEAD})`,
  });
  for (const node of drawn) group.append(unlinked(node));
  svg.append(paper, heading, group);
  return new XMLSerializer().serializeToString(svg);
}

/** Links of the lab lead nowhere outside of it: what they hold stays as a group. */
function unlinked(node: ChildNode): ChildNode {
  if (!(node instanceof Element)) return node;
  for (const link of [...node.querySelectorAll('a')].toReversed()) link.replaceWith(grouped(link));
  return node.localName === 'a' ? grouped(node) : node;
}

function grouped(link: Element): SVGGElement {
  const group = document.createElementNS(SVG, 'g');
  group.append(...link.childNodes);
  return group;
}

/** A drawing as a PNG of `scale` pixels to the point. */
export async function pngOf(drawing: string, scale = 2): Promise<Blob> {
  const address = URL.createObjectURL(new Blob([drawing], { type: 'image/svg+xml' }));
  try {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = new OffscreenCanvas(scale * image.naturalWidth, scale * image.naturalHeight);
    const context = canvas.getContext('2d');
    if (context === null) throw new Error('This browser draws no pixels: download the SVG instead.');
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await canvas.convertToBlob({ type: 'image/png' });
  } finally {
    URL.revokeObjectURL(address);
  }
}
