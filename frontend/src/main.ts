import './lib/language';
import { mount } from 'svelte';
import './app.css';
import App from './App.svelte';

const target = document.getElementById('app');
if (!target) throw new Error('index.html holds no element #app to put the page into');
export default mount(App, { target });
