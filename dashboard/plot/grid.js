// Points by the cell that they lie in, so that a look around the pointer sees few of them.

class Grid {
  constructor(at) {
    this.at = at;
    const n = at.length / 2;
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (let i = 0; i < n; i++) {
      box[0] = Math.min(box[0], at[2 * i]);
      box[1] = Math.min(box[1], at[2 * i + 1]);
      box[2] = Math.max(box[2], at[2 * i]);
      box[3] = Math.max(box[3], at[2 * i + 1]);
    }
    this.box = n ? box : [-1, -1, 1, 1];
    this.side = Math.max(1, Math.min(512, Math.ceil(Math.sqrt(n / 2))));
    this.from = new Uint32Array(this.side ** 2 + 1);
    const cells = new Uint32Array(n);
    for (let i = 0; i < n; i++) {
      cells[i] = this.column(at[2 * i]) + this.side * this.row(at[2 * i + 1]);
      this.from[cells[i] + 1]++;
    }
    for (let c = 0; c < this.side ** 2; c++) this.from[c + 1] += this.from[c];
    const next = this.from.slice();
    this.order = new Uint32Array(n);
    for (let i = 0; i < n; i++) this.order[next[cells[i]]++] = i;
  }
  place(x, low, high) {
    const cell = Math.floor(((x - low) / (high - low || 1)) * this.side);
    return Math.max(0, Math.min(this.side - 1, cell));
  }
  column(x) {
    return this.place(x, this.box[0], this.box[2]);
  }
  row(y) {
    return this.place(y, this.box[1], this.box[3]);
  }
  nearest(x, y, reach, isShown) {
    let best = -1, least = reach ** 2;
    for (let r = this.row(y - reach); r <= this.row(y + reach); r++) {
      const first = r * this.side;
      const end = this.from[first + this.column(x + reach) + 1];
      for (let k = this.from[first + this.column(x - reach)]; k < end; k++) {
        const i = this.order[k];
        const apart = (this.at[2 * i] - x) ** 2 + (this.at[2 * i + 1] - y) ** 2;
        // Of two at one place the one that is drawn last is seen.
        if (apart <= least && isShown(i) && (apart < least || i > best)) [best, least] = [i, apart];
      }
    }
    return best;
  }
}
