// Filters the rows of the scorecard by verdict and section, and opens the row that a link names.
const verdict = document.getElementById("verdict");
const section = document.getElementById("section");
const shown = document.getElementById("shown");
const allOpen = document.getElementById("all-open");
const rows = [...document.querySelectorAll("details.claim")];

function filter() {
  for (const row of rows) {
    const places = row.dataset.sections.split("|");
    row.hidden =
      (verdict.value && row.dataset.verdict !== verdict.value) || (section.value && !places.includes(section.value));
  }
  shown.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
}

function openNamed() {
  const row = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (row && rows.includes(row)) {
    verdict.value = section.value = "";
    filter();
    row.open = true;
    row.scrollIntoView();
  }
}

document.querySelector("form.filter").hidden = false;
verdict.addEventListener("change", filter);
section.addEventListener("change", filter);
allOpen.addEventListener("click", () => {
  const open = rows.some((row) => !row.hidden && !row.open);
  for (const row of rows) if (!row.hidden) row.open = open;
  allOpen.textContent = open ? "Close all" : "Open all";
});
window.addEventListener("hashchange", openNamed);
filter();
openNamed();
