import { copyFileSync, mkdirSync, mkdtempSync, utimesSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, type APIRequestContext } from "@playwright/test";
import { writeLora } from "./lora.ts";

const repository = path.resolve(import.meta.dirname, "../..");
const unet = path.join(repository, "crates/starter_model/weights/unet/diffusion_pytorch_model.safetensors");

/** Makes a file an hour old: the library waits with new ones until they are copied. */
export function settle(file: string): void {
  const past = new Date(Date.now() - 3_600_000);
  utimesSync(file, past, past);
}

/** A folder with LoRA files for the model inside the binary: `ink` (with a picture), `wash`, and one that is distilled by its name. */
export function starterShelf(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "emberline-shelf-"));
  const at = (name: string) => path.join(folder, "loras", name);
  for (const name of ["loras", "checkpoints"]) mkdirSync(path.join(folder, name));
  writeLora(at("ink.safetensors"), unet, 1, { "modelspec.title": "Ink drawings", "modelspec.trigger_phrase": "ink drawing" }, 0.05);
  writeLora(at("wash.safetensors"), unet, 2, { "modelspec.title": "Watercolour wash", "modelspec.trigger_phrase": "wet wash" }, 0.05);
  writeLora(at("sdxl_lightning_8step_lora.safetensors"), unet, 3, {}, 0.02);
  copyFileSync(path.join(repository, "docs/images/starter.png"), at("ink.png"));
  for (const name of ["ink.safetensors", "wash.safetensors", "sdxl_lightning_8step_lora.safetensors", "ink.png"]) settle(at(name));
  return folder;
}

/** Waits until the library lists this many files. */
export async function listed(request: APIRequestContext, home: string, count: number): Promise<void> {
  const items = async () => {
    const { scanning, items } = await (await request.get(`${home}/api/v1/library/status`)).json();
    return scanning ? -1 : items;
  };
  await expect.poll(items, { timeout: 60_000 }).toBe(count);
}
