using System.Diagnostics;
using Kedge.Demo.Nat;

namespace Kedge.Demo.Warp;

/// <summary>
/// <c>kedge demo warp</c>: a web server behind a NAT, published by a machine outside, and what a visitor sees when it goes away. Takes half a
/// minute and leaves nothing behind. Needs root.
/// </summary>
/// <param name="program">The path of the program <c>kedge</c>.</param>
/// <param name="report">Where it tells what it sees.</param>
public sealed class WarpDemo(string program, DemoReport report)
{
    private const string Uid = "home", ServerName = "warp.example", Address = "192.0.2.1", Page = "Hello from behind the NAT.";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>Runs the demo to its end.</summary>
    /// <returns>Whether all checks passed.</returns>
    public bool Run()
    {
        report.Say(
            $"""
            Machines made of network namespaces. 'home' is behind a NAT that lets nothing in, and has a web server on its own loopback. 'outside' has
            the public address {Address}. 'visitor' is anybody on the internet.
            """);
        long start = Stopwatch.GetTimestamp();
        using var net = Topology.Create();
        var internet = new Internet(net.AddSwitch("internet"));
        Host outside = net.AddHost("outside"), visitor = net.AddHost("visitor");
        internet.Attach(outside, 1);
        internet.Attach(visitor, 2);
        Gateway gateway = internet.AddGateway("nat");
        Host home = gateway.AddHost("home");
        var keys = new WarpKeys(net, outside);
        string state = Path.Combine(net.TempFolder, "warp");
        File.WriteAllText(Path.Combine(Directory.CreateDirectory(Path.Combine(net.TempFolder, "web")).FullName, "index.html"), Page + "\n");
        RunningProcess? web = null, connector = null;

        report.Check("openssl: an authority, three certificates", () =>
        {
            keys.Certify("server", ServerName, "serverAuth");
            keys.Certify("home", Uid, "clientAuth");
            keys.Certify("web", "www.example", "serverAuth");
            web = StartWeb();
            return "any authority will do: socket-warp's, a company's, or the mesh's own";
        });
        report.Check("outside: kedge warp listen", () =>
        {
            RunningProcess listener = outside.Start(
            [
                program, "warp", "listen", "--cert", keys.CertificateOf("server"), "--key", keys.KeyOf("server"), "--ca", keys.Authority,
                "--state-dir", state,
            ]);
            listener.WaitForLine("token ", Patience);
            return "UDP 11443 for connectors; an API on loopback, which wants a token";
        });
        report.Check("home: kedge warp connect", () =>
        {
            connector = Connect();
            return $"from inside out, through the NAT: {Status()}";
        });
        report.Check("visitor, before a port is open", () => Get(gateway.Address).Succeeded || Get(Address).Succeeded
            ? throw new DemoException("the page was there")
            : "no page at the NAT's address, and none at outside's, as it should be");

        report.Say("Now one command publishes the web server. It speaks TLS itself, so nobody on the way can read it:");
        report.Check($"kedge warp open {Uid} 443 …:8443", () => Warp("open", Uid, "443", "127.0.0.1:8443").Trim());
        report.Check("visitor: curl https://www.example/", () => Get(Address) is { Succeeded: true } page && page.Output.Contains(Page, StringComparison.Ordinal)
            ? page.Output.Trim()
            : throw new DemoException($"no page: {Get(Address).Error.Trim()}"));
        report.Check("a stranger's certificate", () => keys.IsRefused(home, program, Address)
            ? "refused, and the listener's log says why"
            : throw new DemoException("it was let in"));
        report.Check("the API without its token", () =>
            outside.TryRun("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "http://127.0.0.1:8080/list").Output.Trim() is "401"
                ? "401, on loopback too"
                : throw new DemoException("it answered"));

        report.Say("What the visitor sees when something goes away:");
        report.Check("the web server is stopped", () =>
        {
            web!.Stop();
            return Refusal();
        });
        report.Check("the web server is back", () =>
        {
            web = StartWeb();
            return AwaitPage();
        });
        report.Check("the connector is killed", () =>
        {
            connector!.Kill();
            Wait.Until(() => !Status().StartsWith(Uid, StringComparison.Ordinal), Patience, "the listener to notice");
            return Refusal();
        });
        report.Check("the connector is back", () =>
        {
            Connect();
            return AwaitPage();
        });
        report.Say(Warp("status"));
        return report.Conclude(Stopwatch.GetElapsedTime(start));

        RunningProcess StartWeb()
        {
            RunningProcess server = home.Start(new Command(
            [
                "sh", "-c", """cd "$1" && exec openssl s_server -quiet -accept 127.0.0.1:8443 -WWW -cert "$2" -key "$3" """, "sh",
                Path.Combine(net.TempFolder, "web"), keys.CertificateOf("web"), keys.KeyOf("web"),
            ]));
            Wait.Until(() => home.TryRun("sh", "-c", "ss -Hltn 'sport = 8443' | grep -q .").Succeeded, Patience, "the web server");
            return server;
        }

        RunningProcess Connect()
        {
            RunningProcess started = home.Start(
            [
                program, "warp", "connect", "--server", Address, "--server-name", ServerName, "--cert", keys.CertificateOf("home"),
                "--key", keys.KeyOf("home"), "--ca", keys.Authority,
            ]);
            started.WaitForLine("Connected to", Patience);
            return started;
        }

        string Warp(params string[] words) =>
            outside.Run([program, "warp", .. words, "--token-file", Path.Combine(state, "api-token")]).Output;

        string Status() => string.Join(' ', Warp("status").Split('\n')[1].Split(' ', StringSplitOptions.RemoveEmptyEntries).Take(3));

        CommandResult Get(string address) => visitor.TryRun(
            "curl", "-sS", "--max-time", "5", "--connect-timeout", "2", "--cacert", keys.Authority,
            "--resolve", $"www.example:443:{address}", "https://www.example/index.html");

        string Refusal()
        {
            long asked = Stopwatch.GetTimestamp();
            CommandResult result = Get(Address);
            if (result.Succeeded)
                throw new DemoException("there still is a page");
            return $"after {Stopwatch.GetElapsedTime(asked).TotalMilliseconds:0} ms: {result.Error.Trim()}";
        }

        string AwaitPage()
        {
            Wait.Until(() => Get(Address).Succeeded, Patience, "the page");
            return "the page again, by the same port";
        }
    }
}
