import { world } from "./world.js";

export const get = (name) => world.config.get(name);
export const all = () => [...world.config];
