import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { Server } from "../support/server.ts";
import { newProject, openStudio } from "../support/studio.ts";
import { expect, expectAccessible, test } from "../support/test.ts";

const tiny = path.resolve(import.meta.dirname, "../../crates/sdxl/tests/fixtures/tiny/diffusers");

/** Two tiny SDXL models, the second configured like SDXL Turbo, and an empty file. */
function shelf(): string {
  const folder = mkdtempSync(path.join(tmpdir(), "emberline-models-"));
  for (const name of ["base", "turbo"]) cpSync(tiny, path.join(folder, name), { recursive: true });
  const edit = (file: string, more: object) => {
    const at = path.join(folder, "turbo", file);
    writeFileSync(at, JSON.stringify({ ...JSON.parse(readFileSync(at, "utf8")), ...more }));
  };
  edit("scheduler/scheduler_config.json", { _class_name: "EulerAncestralDiscreteScheduler", timestep_spacing: "trailing" });
  edit("unet/config.json", { sample_size: 64 });
  writeFileSync(path.join(folder, "empty.safetensors"), "");
  return folder;
}

const server = new Server();
let folder = "";
test.beforeAll(() => {
  folder = shelf();
  return server.start("--device", "cpu", "--model", folder);
});
test.afterAll(async () => {
  expect(await server.stop(), "the server's exit status").toBe(0);
  server.clean();
  rmSync(folder, { recursive: true, force: true });
  expect(server.warnings).toHaveLength(1);
  expect(server.warnings[0]).toContain("empty.safetensors");
});

test("another model brings its own settings, and leaves what was chosen", async ({ page, request }) => {
  const project = await newProject(request, server.url);
  await openStudio(page, server.url, project);
  const field = (name: string) => page.getByLabel(name, { exact: true });
  await expect(field("Sampler")).toHaveValue("euler");
  await expect(field("Schedule")).toHaveValue("leading");
  await field("Steps").fill("4");
  await field("Model").selectOption("turbo");
  await expect(field("Sampler")).toHaveValue("euler_ancestral");
  await expect(field("Schedule")).toHaveValue("trailing");
  await expect(field("Steps")).toHaveValue("4");
  await expect(page.getByText("Made for 512 × 512 pixels.")).toBeVisible();
  await field("Sampler").selectOption("heun");
  await field("Model").selectOption("base");
  await expect(field("Sampler")).toHaveValue("heun");
  await expect(field("Schedule")).toHaveValue("leading");

  await page.getByText("Not usable as models: 1").click();
  await expect(page.getByText("empty.safetensors: is empty")).toBeVisible();
  await expectAccessible(page);
});
