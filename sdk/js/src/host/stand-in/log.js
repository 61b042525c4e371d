import { world } from "./world.js";

export const write = (level, line) => world.logs.push({ level, line });
