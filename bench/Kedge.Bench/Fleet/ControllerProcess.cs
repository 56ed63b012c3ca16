using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using Kedge.Control;
using Kedge.Node.Connecting;
using Kedge.Node.ControlLink;
using Kedge.Protocol.Api;
using Kedge.Protocol.Enrolment;

namespace Kedge.Bench.Fleet;

/// <summary>A controller of its own process, with an empty store in a temporary folder; both go when it is disposed.</summary>
internal sealed class ControllerProcess : IDisposable
{
    private const double TicksPerSecond = 100; // USER_HZ of proc(5), which is the same on every architecture that .NET runs on

    private readonly string _folder;
    private readonly Process _process;
    private readonly HttpClient _administrator;

    private ControllerProcess(string folder, Process process, JoinLine line)
    {
        (_folder, _process, Address) = (folder, process, ControllerAddress.Of(line));
        _administrator = new HttpClient(new PinnedServer(line.Pin, TimeProvider.System).CreateHandler()) { BaseAddress = Address.Url };
        string token = File.ReadAllText(Controller.AdministratorTokenFileOf(Path.Combine(folder, "data"))).Trim();
        _administrator.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
    }

    public ControllerAddress Address { get; }

    /// <summary>Resident memory in bytes, now.</summary>
    public long Memory => long.Parse(File.ReadAllText($"/proc/{_process.Id}/statm").Split(' ')[1], CultureInfo.InvariantCulture) * Environment.SystemPageSize;

    /// <summary>Processor time that it has used so far.</summary>
    public TimeSpan ProcessorTime
    {
        get
        {
            // proc(5): utime and stime are fields 14 and 15; the second, the name, may hold blanks.
            string[] fields = File.ReadAllText($"/proc/{_process.Id}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return TimeSpan.FromSeconds(fields.Skip(11).Take(2).Sum(ticks => double.Parse(ticks, CultureInfo.InvariantCulture)) / TicksPerSecond);
        }
    }

    public static ControllerProcess Start(string program)
    {
        string folder = Directory.CreateTempSubdirectory("kedge-bench-").FullName;
        var start = new ProcessStartInfo(program) { RedirectStandardOutput = true };
        foreach (string argument in new[] { "controller", "--listen", "127.0.0.1:0", "--stun-port", "0", "--data-dir", Path.Combine(folder, "data"), "--log-level", "warning" })
            start.ArgumentList.Add(argument);
        Process process = Process.Start(start)!;
        const string Prefix = "join line ";
        while (process.StandardOutput.ReadLine() is { } line)
        {
            if (!line.StartsWith(Prefix, StringComparison.Ordinal))
                continue;
            _ = process.StandardOutput.ReadToEndAsync();
            return new ControllerProcess(folder, process, JoinLine.Parse(line[Prefix.Length..]));
        }
        Directory.Delete(folder, recursive: true);
        throw new InvalidOperationException($"{program} controller did not start.");
    }

    /// <summary>Makes a zone with a /16, and a token for as many nodes as there is room for.</summary>
    public async Task<string> CreateZoneAsync(string name)
    {
        await PostAsync("api/v1/zones", JsonContent.Create(new ZoneCreation { Name = name, Prefixes = ["10.64.0.0/16"] }, ApiJson.Default.ZoneCreation));
        using HttpResponseMessage answer = await PostAsync(
            "api/v1/tokens", JsonContent.Create(new TokenCreation { Zone = name, MaxUses = 60_000, LifetimeSeconds = 86_400 }, ApiJson.Default.TokenCreation));
        return (await answer.Content.ReadFromJsonAsync(ApiJson.Default.CreatedToken))!.Secret;
    }

    /// <summary>A number of <c>/metrics</c>; 0 where there is none yet.</summary>
    public async Task<double> CountAsync(string metric)
    {
        string all = await _administrator.GetStringAsync(new Uri("/metrics", UriKind.Relative));
        return all.Split('\n').Where(line => line.StartsWith(metric + " ", StringComparison.Ordinal))
            .Sum(line => double.Parse(line[(metric.Length + 1)..], CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        _administrator.Dispose();
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<HttpResponseMessage> PostAsync(string path, HttpContent content)
    {
        HttpResponseMessage answer = await _administrator.PostAsync(new Uri(path, UriKind.Relative), content);
        if (!answer.IsSuccessStatusCode)
            throw new InvalidOperationException($"{path}: {await answer.Content.ReadAsStringAsync()}");
        return answer;
    }
}
