// Applies the theme a person chose before anything is painted; without a choice the system's scheme counts.
(function () {
  try {
    const theme = localStorage.getItem('theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the system's scheme it is.
  }
})();
