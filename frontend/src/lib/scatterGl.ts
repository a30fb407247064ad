/** Points by WebGL 2: positions and colours lie on the graphics card, a move of the view changes three numbers. */
import type { Rgb } from './mapColours';
import type { Scatter, Scene } from './scatter';

const VERTEX = `#version 300 es
in vec2 from;
in vec2 to;
in vec4 colour;
uniform vec2 middle;
uniform vec2 reach;
uniform float way;
uniform float point;
out vec4 shade;
void main() {
  gl_Position = vec4((mix(from, to, way) - middle) * reach, 0.0, 1.0);
  gl_PointSize = point < 3.0 ? point : point + 1.0; // with half of a disc's edge on either side
  shade = colour;
}`;

// Small points are squares, larger ones round with an edge one pixel wide; colours are multiplied by their alpha, as the page's blending wants them.
const FRAGMENT = `#version 300 es
precision highp float; // as in the vertices' shader, whose uniform this one shares
in vec4 shade;
uniform float point;
out vec4 pixel;
void main() {
  float apart = distance(gl_PointCoord, vec2(0.5)) * (point + 1.0);
  float alpha = shade.a * (point < 3.0 ? 1.0 : clamp(0.5 * point - apart + 0.5, 0.0, 1.0));
  pixel = vec4(shade.rgb * alpha, alpha);
}`;

/** Programs that stand in for a graphics card: a plain canvas is much faster. */
const SLOW = /swiftshader|llvmpipe|softpipe|basic render/i;

const ATTRIBUTES = ['from', 'to', 'colour'] as const;
const UNIFORMS = ['middle', 'reach', 'way', 'point'] as const;
type Buffers = Record<(typeof ATTRIBUTES)[number], WebGLBuffer>;

export class GlScatter implements Scatter {
  readonly kind = 'webgl';
  #n = 0;

  private constructor(
    readonly canvas: HTMLCanvasElement,
    readonly gl: WebGL2RenderingContext,
    readonly buffers: Buffers,
    readonly uniforms: Record<(typeof UNIFORMS)[number], WebGLUniformLocation | null>,
    readonly onlost: () => void,
  ) {
    canvas.addEventListener('webglcontextlost', this.#lost);
  }

  /** Null where there is no WebGL 2 by a graphics card, or its shaders do not compile. */
  static on(canvas: HTMLCanvasElement, onlost: () => void): GlScatter | null {
    const gl = canvas.getContext('webgl2', { alpha: false, antialias: false, depth: false });
    if (!gl || SLOW.test(rendererOf(gl))) return null;
    const program = programOf(gl);
    if (!program) return null;
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const buffers = {} as Buffers;
    for (const name of ATTRIBUTES) {
      const buffer = gl.createBuffer();
      buffers[name] = buffer;
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      const place = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(place);
      if (name === 'colour') gl.vertexAttribPointer(place, 4, gl.UNSIGNED_BYTE, true, 0, 0);
      else gl.vertexAttribPointer(place, 2, gl.FLOAT, false, 0, 0);
    }
    const uniforms = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(program, name)]));
    return new GlScatter(canvas, gl, buffers, uniforms as GlScatter['uniforms'], onlost);
  }

  place(from: Float32Array, to: Float32Array): void {
    this.#n = to.length / 2;
    this.#fill('from', from);
    this.#fill('to', to);
  }

  colour(bytes: Uint8Array, [red, green, blue]: Rgb): void {
    this.gl.clearColor(red / 255, green / 255, blue / 255, 1);
    this.#fill('colour', bytes);
  }

  draw({ view, size, density, point, way }: Scene): void {
    const { gl, canvas, uniforms } = this;
    const [width, height] = [Math.round(size.width * density), Math.round(size.height * density)];
    if (canvas.width !== width || canvas.height !== height) {
      [canvas.width, canvas.height] = [width, height];
      gl.viewport(0, 0, width, height);
    }
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.middle, view.x, view.y);
    gl.uniform2f(uniforms.reach, (2 * view.scale) / size.width, (2 * view.scale) / size.height);
    gl.uniform1f(uniforms.way, way);
    gl.uniform1f(uniforms.point, point * density);
    gl.drawArrays(gl.POINTS, 0, this.#n);
  }

  end(): void {
    this.canvas.removeEventListener('webglcontextlost', this.#lost);
    for (const name of ATTRIBUTES) this.gl.deleteBuffer(this.buffers[name]);
  }

  #fill(name: keyof Buffers, content: Float32Array | Uint8Array): void {
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, content, this.gl.STATIC_DRAW);
  }

  #lost = (event: Event): void => {
    event.preventDefault();
    this.onlost();
  };
}

function rendererOf(gl: WebGL2RenderingContext): string {
  const names = gl.getExtension('WEBGL_debug_renderer_info');
  return String(gl.getParameter(names?.UNMASKED_RENDERER_WEBGL ?? gl.RENDERER));
}

function programOf(gl: WebGL2RenderingContext): WebGLProgram | null {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, VERTEX],
    [gl.FRAGMENT_SHADER, FRAGMENT],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) return null;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  return gl.getProgramParameter(program, gl.LINK_STATUS) ? program : null;
}
