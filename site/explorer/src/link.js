// The permanent link: the state of the page in the part of its address after "#".

const POINTS = ["start", "end", "probe"];
const CHOICES = { metric: ["pullback", "fisher_rao"], quantity: ["log_det", "log_cond"], fan: ["0", "1"] };

export function linkOf(model, state) {
  const parts = [`model=${model}`, `metric=${state.metric}`, `quantity=${state.quantity}`, `fan=${state.fan ? 1 : 0}`];
  for (const id of POINTS) parts.push(`${id}=${state[id].map((x) => Number(x.toPrecision(6))).join(",")}`);
  return `#${parts.join("&")}`;
}

/** The model and the part of a state that a link holds, or what is wrong with it. */
export function stateOf(hash, models) {
  const state = {};
  let model = null;
  const fault = (what) => ({ model: null, state: null, fault: what });
  for (const part of hash.replace(/^#/, "").split("&").filter(Boolean)) {
    const [key, value = ""] = part.split("=", 2);
    if (key === "model") {
      if (!models.includes(value)) return fault(`there is no model “${value.slice(0, 40)}”`);
      model = value;
    } else if (POINTS.includes(key)) {
      const z = value.split(",").map((x) => (x.trim() === "" ? NaN : Number(x)));
      const good = z.length === 2 && z.every((x) => Number.isFinite(x) && Math.abs(x) < 1e6);
      if (!good) return fault(`“${part.slice(0, 40)}” is no point`);
      state[key] = z;
    } else if (key in CHOICES) {
      if (!CHOICES[key].includes(value)) return fault(`“${part.slice(0, 40)}” is no choice of this page`);
      state[key] = key === "fan" ? value === "1" : value;
    } else {
      return fault(`“${key.slice(0, 40)}” means nothing here`);
    }
  }
  return { model, state, fault: null };
}
