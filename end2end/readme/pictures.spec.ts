import { mkdirSync, rmSync } from "node:fs";
import path from "node:path";
import { Server } from "../support/server.ts";
import { listed, starterShelf } from "../support/shelf.ts";
import { ask, generate, newProject, openStudio } from "../support/studio.ts";
import { expect, hydrated, serverForThisFile, test } from "../support/test.ts";

const server = serverForThisFile();
const images = path.resolve(import.meta.dirname, "../../docs/images");
const scrubbing = path.resolve(import.meta.dirname, "../test-results/scrubbing");
const steps = path.resolve(import.meta.dirname, "../test-results/forming");

test.use({ colorScheme: "dark", viewport: { width: 1280, height: 800 } });

test("the studio, and a picture forming", async ({ page, request }) => {
  const project = await newProject(request, server.url, "A day out");
  const prompts = ["a yellow sun on a blue background", "a red car on a yellow background", "a green tree on a white background", "a cat on a pink background", "a house on a green background"];
  for (const [seed, prompt] of prompts.entries()) {
    const { task_id } = await ask(request, server.url, project, { prompt, seed });
    const status = async () => (await (await request.get(`${server.url}/api/v1/tasks/${task_id}`)).json()).status;
    await expect.poll(status, { timeout: 60_000 }).toBe("completed");
  }
  const frames = await (await request.get(`${server.url}/api/v1/projects/${project}/frames`)).json();
  await request.patch(`${server.url}/api/v1/frames/${frames[1].id}`, { data: { duration: 2 } });

  await openStudio(page, server.url, project);
  await page.getByRole("button", { name: "Settings", exact: true }).click();
  await page.getByRole("combobox", { name: "Update previews on this page" }).selectOption("live");
  await page.keyboard.press("Escape");
  await page.getByRole("spinbutton", { name: "Seed" }).fill("3");
  await generate(page, "a red apple on a blue background", 200);

  rmSync(steps, { recursive: true, force: true });
  mkdirSync(steps, { recursive: true });
  let [shots, told] = [0, ""];
  const forming = page.getByText(/^Step \d+\/200$/);
  while (await forming.isVisible()) {
    const now = (await forming.textContent({ timeout: 200 }).catch(() => null)) ?? told;
    if (now === told) continue;
    told = now;
    await page.screenshot({ path: path.join(steps, `${String(shots++).padStart(3, "0")}.png`) });
    if (shots === 10) await page.screenshot({ path: path.join(images, "studio.png") });
  }
  await expect(page.locator("#picture")).toHaveAttribute("src", /\?v=/);
  await page.screenshot({ path: path.join(steps, `${String(shots).padStart(3, "0")}.png`) });
  expect(shots, "pictures of the picture forming").toBeGreaterThan(8);
});

test("the scrub bar", async ({ page, request }) => {
  await request.patch(`${server.url}/api/v1/settings`, { data: { trace: "all" } });
  const project = await newProject(request, server.url, "A day out");
  const { task_id } = await ask(request, server.url, project, { prompt: "a red car on a yellow background", seed: 4, steps: 20 });
  const status = async () => (await (await request.get(`${server.url}/api/v1/tasks/${task_id}`)).json()).status;
  await expect.poll(status, { timeout: 60_000 }).toBe("completed");
  await page.setViewportSize({ width: 1200, height: 640 });
  await openStudio(page, server.url, project);
  const [viewer, slider] = [page.getByRole("region", { name: "Viewer" }), page.getByRole("slider", { name: "Step", exact: true })];
  const [area, bar] = [await viewer.boundingBox(), await slider.boundingBox()];
  if (!area || !bar) throw new Error("the viewer is not shown");
  rmSync(scrubbing, { recursive: true, force: true });
  mkdirSync(scrubbing, { recursive: true });
  // The row of the zoom buttons is left out.
  const clip = { ...area, height: bar.y + bar.height - area.y };
  let shots = 0;
  const shoot = () => page.screenshot({ path: path.join(scrubbing, `${String(shots++).padStart(3, "0")}.png`), clip });
  await shoot();
  const thumb = 8;
  const x = (step: number) => bar.x + thumb + ((bar.width - 2 * thumb) * (step - 1)) / 19;
  await page.mouse.move(x(20), bar.y + bar.height / 2);
  await page.mouse.down();
  for (const step of [17, 14, 11, 9, 7, 5, 3, 2, 1, 2, 4, 6, 8]) {
    await page.mouse.move(x(step), bar.y + bar.height / 2);
    await expect(page.locator(".viewer-step-picture")).toHaveAttribute("src", new RegExp(`/steps/${step}\\.png`));
    await shoot();
  }
  await page.mouse.up();
});

test("the library, and LoRA files on the form", async ({ page, request }) => {
  const [shelf, folder] = [new Server(), starterShelf()];
  // Each file is shown with the newest picture that was made with it.
  rmSync(path.join(folder, "loras/ink.png"));
  await shelf.start("--device", "cpu", "--models", folder);
  await listed(request, shelf.url, 3);
  const project = await newProject(request, shelf.url, "A day out");
  const drawn = [["ink", "a red car on a yellow background"], ["wash", "a red flower on a blue background"], ["sdxl_lightning_8step_lora", "a green tree on a white background"]] as const;
  for (const [name, prompt] of drawn) {
    const { task_id } = await ask(request, shelf.url, project, { prompt, seed: 3, loras: [{ name, unet_weight: 0.15 }] });
    const status = async () => (await (await request.get(`${shelf.url}/api/v1/tasks/${task_id}`)).json()).status;
    await expect.poll(status, { timeout: 60_000 }).toBe("completed");
  }
  await page.setViewportSize({ width: 740, height: 610 });
  const covers = async () => {
    await page.goto(`${shelf.url}/library?kind=lora`);
    await hydrated(page);
    return page.locator(".library-cards .item-picture").count();
  };
  // The takes of a file are counted now and then.
  await expect.poll(covers, { timeout: 60_000 }).toBe(3);
  await page.waitForLoadState("networkidle");
  await page.screenshot({ path: path.join(images, "library.png") });

  await page.setViewportSize({ width: 960, height: 1000 });
  await openStudio(page, shelf.url, project);
  await page.getByRole("textbox", { name: "Prompt", exact: true }).fill("a yellow sun on a blue background <lora:wash:0.6>");
  for (const name of ["ink", "sdxl_lightning_8step_lora"]) {
    await page.getByRole("combobox", { name: "LoRA" }).fill(name);
    await page.getByRole("option", { name: new RegExp(`^${name}`) }).click();
  }
  await page.getByRole("spinbutton", { name: "Weight of ink, as a number", exact: true }).fill("0.4");
  await page.waitForLoadState("networkidle");
  const [form, offer] = [await page.locator("#generation").boundingBox(), await page.locator(".preset").boundingBox()];
  if (!form || !offer) throw new Error("the form is not shown");
  const clip = { ...form, height: offer.y + offer.height + 12 - form.y };
  await page.screenshot({ path: path.join(images, "loras.png"), clip });
  await shelf.stop();
  shelf.clean();
  rmSync(folder, { recursive: true, force: true });
});
