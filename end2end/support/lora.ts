import { readFileSync, writeFileSync } from "node:fs";

type Tensor = { dtype: string; shape: number[]; data_offsets: [number, number] };

/** The header of a safetensors file. */
function header(file: string): Record<string, Tensor> {
  const bytes = readFileSync(file);
  const { __metadata__, ...tensors } = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString());
  return tensors;
}

/** Writes a safetensors file of f32 tensors. */
function writeTensors(file: string, tensors: Map<string, { shape: number[]; values: Float32Array }>, metadata: Record<string, string>): void {
  const head: Record<string, unknown> = { __metadata__: metadata };
  const parts: Buffer[] = [];
  let end = 0;
  for (const [name, { shape, values }] of tensors) {
    const bytes = Buffer.from(values.buffer);
    head[name] = { dtype: "F32", shape, data_offsets: [end, end + bytes.length] };
    parts.push(bytes);
    end += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([length, text, ...parts]));
}

/** Writes a LoRA file of rank 2 for the attention of a UNet in diffusers' layout, with the same values for the same seed. `size` is
 * the largest value of the second matrices. */
export function writeLora(file: string, unet: string, seed: number, metadata: Record<string, string> = {}, size = 0.5): void {
  let state = seed;
  const random = () => {
    // Numerical Recipes' generator.
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
  const values = (count: number, scale: number) => Float32Array.from({ length: count }, () => random() * scale);
  const tensors = new Map<string, { shape: number[]; values: Float32Array }>();
  for (const [name, { shape }] of Object.entries(header(unet))) {
    const [out, into] = shape;
    if (!/\.to_[qkv]\.weight$/.test(name) || out === undefined || into === undefined) continue;
    const module = name.replace(/\.weight$/, "");
    tensors.set(`unet.${module}.lora_A.weight`, { shape: [2, into], values: values(2 * into, 1) });
    tensors.set(`unet.${module}.lora_B.weight`, { shape: [out, 2], values: values(2 * out, size) });
  }
  writeTensors(file, tensors, metadata);
}
