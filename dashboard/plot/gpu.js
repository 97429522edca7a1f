// All points in one draw call: moving and zooming change uniforms alone.

const VERTEX = `#version 300 es
in vec2 at; in vec4 colour; in float group;
uniform vec2 centre; uniform vec2 scale; uniform vec2 size; uniform uint hidden;
flat out vec4 ink;
void main() {
  bool off = ((hidden >> uint(group)) & 1u) == 1u;
  gl_Position = off ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((at - centre) * scale, 0.0, 1.0);
  gl_PointSize = group < 0.5 ? size.x : size.y;
  ink = vec4(colour.rgb * colour.a, colour.a);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
flat in vec4 ink; out vec4 seen;
void main() {
  vec2 p = gl_PointCoord - 0.5;
  if (dot(p, p) > 0.25) discard;
  seen = ink;
}`;

class Gpu {
  // `gl` is null where the browser has no WebGL 2.
  constructor(canvas) {
    const gl = (this.gl = canvas.getContext("webgl2", { antialias: false, powerPreference: "low-power" }));
    if (!gl) return;
    const program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.pixel = new Uint8Array(4);
    this.uniforms = {};
    for (const name of ["centre", "scale", "size", "hidden"]) this.uniforms[name] = gl.getUniformLocation(program, name);
    this.buffers = ["at", "colour", "group"].map((name) => [name, gl.getAttribLocation(program, name), gl.createBuffer()]);
  }

  upload(shown) {
    const { gl } = this;
    if (!gl) return;
    this.unsure = 3;
    const kinds = { at: [2, gl.FLOAT, false], colour: [4, gl.UNSIGNED_BYTE, true], group: [1, gl.UNSIGNED_BYTE, false] };
    for (const [name, place, buffer] of this.buffers) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, shown[name], gl.STATIC_DRAW);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, ...kinds[name], 0, 0);
    }
  }

  // `view` has the point at the centre and the pixels of a unit; sizes are in pixels of the page. Returns how many
  // milliseconds it takes, as the first times have shown: reading a pixel back waits for the graphics card.
  paint(shown, view, [width, height], ratio, hidden) {
    const { gl, uniforms } = this;
    if (!gl) return 0;
    const began = performance.now();
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(uniforms.centre, view.x, view.y);
    gl.uniform2f(uniforms.scale, (2 * view.scale) / width, (2 * view.scale) / height);
    gl.uniform2f(uniforms.size, ...shown.sizes.map((size) => size * ratio));
    gl.uniform1ui(uniforms.hidden, hidden);
    gl.drawArrays(gl.POINTS, 0, shown.at.length / 2);
    if (this.unsure-- > 0) {
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, this.pixel);
      this.cost = performance.now() - began;
    }
    return this.cost;
  }

  close() {
    this.gl?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
