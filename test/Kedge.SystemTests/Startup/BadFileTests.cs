using System.Security.Cryptography;
using Kedge.Demo;
using Kedge.SystemTests.Mesh;

namespace Kedge.SystemTests.Startup;

/// <summary>Whatever is in a file that a person names, or that Kedge keeps, a command says in a sentence what is wrong with it.</summary>
public sealed class BadFileTests(SharedMesh shared) : IClassFixture<SharedMesh>
{
    private const string Pin = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", Bad = "{FILE}", Folder = "{FOLDER}";

    private static readonly string[][] s_calls =
    [
        ["netcheck", "--join-file", Bad],
        ["login", "https://127.0.0.1:1", "--pin", Pin, "--token-file", Bad],
        ["zone", "list", "--login-file", Bad],
        ["controller", "--data-dir", Bad, "--listen", "192.0.2.99:1"],
        ["controller", "--data-dir", Folder, "--listen", "192.0.2.99:1", "--locked", Bad],
        ["controller", "restore", Bad, "--data-dir", Folder],
        ["controller", "backup", Folder, "--data-dir", Bad],
        ["controller", "rotate", "issuer", "--data-dir", Bad],
        ["ca", "show", Bad],
        ["ca", "sign", Bad, "--ca", Folder],
        ["ca", "sign", "/dev/null", "--ca", Bad],
        ["ca", "invite", "alpha", "--ca", Bad, "--join-line", Bad],
        ["node", "certify", Bad, "--login-file", Bad],
        ["wg", "bad0", "--private-key-file", Bad, "--runtime-dir", Folder],
        ["rosenpass", "validate", Bad],
        ["rosenpass", "exchange-config", Bad],
        ["rosenpass", "exchange", "secret-key", Bad, "public-key", Bad, "peer", "public-key", Bad],
        ["rp", "exchange", Bad, "dev", "bad0", "peer", Bad],
        ["rp", "pubkey", Bad, $"{Folder}/public"],
    ];

    private readonly MeshNetwork _mesh = shared.Network;

    public static TheoryData<string> Contents() => ["empty", "junk", "cut", "folder", "another key", "another certificate"];

    [Theory]
    [MemberData(nameof(Contents))]
    public void A_file_that_a_person_names(string contents)
    {
        Host host = _mesh.Net.AddHost($"f{Contents().Count}{contents[0]}{contents.Length}");
        string folder = Directory.CreateDirectory(Path.Combine(_mesh.Net.TempFolder, $"named-{contents}")).FullName;
        for (int i = 0; i < s_calls.Length; i++)
        {
            string file = Path.Combine(folder, $"file-{i}"), scratch = Directory.CreateDirectory(Path.Combine(folder, $"scratch-{i}")).FullName;
            Put(file, contents, "whatever");
            string[] call = [.. s_calls[i].Select(word => word.Replace(Bad, file, StringComparison.Ordinal).Replace(Folder, scratch, StringComparison.Ordinal))];

            RequireSentence(host.TryRun(Isolated(folder, call)), call, mayPass: s_calls[i][0] is "ca" or "rosenpass" or "rp" or "netcheck");
        }
    }

    [Fact]
    public void A_file_that_a_node_keeps()
    {
        MeshNode node = _mesh.Join("keeper");
        Assert.True(node.Try("down").Succeeded);
        foreach (string file in Directory.GetFiles(node.Folder.Path))
        {
            byte[] before = File.ReadAllBytes(file);
            foreach (string contents in Contents().Select(row => row.Data))
            {
                Replace(file, contents);
                // Without one of these a node cannot come up; without any other it would.
                bool isNeeded = Path.GetFileName(file) is "link.json" or "identity.key" or "wireguard.key" or "certificate.pem";
                string[] call = [isNeeded ? "up" : "netcheck"];
                RequireSentence(node.Host.TryRun(WithoutTun(node, call)), [.. call, file, contents], mayPass: !isNeeded);
                Restore(file, before);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Contents))]
    public void A_file_that_a_controller_keeps(string contents)
    {
        Host host = _mesh.Net.AddHost($"c{contents[0]}{contents.Length}");
        string folder = Directory.CreateDirectory(Path.Combine(_mesh.Net.TempFolder, $"controller-{contents}")).FullName;
        string data = Path.Combine(folder, "data");
        // Everything is made, and then there is nowhere to listen.
        string[] call = ["controller", "--data-dir", data, "--listen", "192.0.2.99:1"];
        CommandResult first = host.TryRun(Isolated(folder, call));
        Assert.Contains("192.0.2.99 is not an address of this machine", first.Error, StringComparison.Ordinal);
        Assert.Contains("0.0.0.0:1", first.Error, StringComparison.Ordinal);
        RequireSentence(first, call, mayPass: false);

        foreach (string file in Directory.GetFiles(data, "*", SearchOption.AllDirectories).Where(file => Path.GetFileName(file) != "lock"))
        {
            byte[] before = File.ReadAllBytes(file);
            Replace(file, contents);
            RequireSentence(host.TryRun(Isolated(folder, call)), [.. call, file], mayPass: false);
            Restore(file, before);
        }
    }

    private static void RequireSentence(CommandResult result, string[] call, bool mayPass)
    {
        string what = $"{string.Join(' ', call)}\n{result.ExitCode}\n{result.Error}";
        Assert.False(result.Error.Contains("defect of Kedge", StringComparison.OrdinalIgnoreCase), what);
        Assert.False(result.Error.Contains("   at ", StringComparison.Ordinal), what);
        Assert.True(result.ExitCode is 1 or 2 || (mayPass && result.ExitCode == 0), what);
    }

    private static void Replace(string file, string contents)
    {
        string before = File.ReadAllText(file);
        File.Delete(file);
        Put(file, contents, before);
    }

    private static void Put(string file, string contents, string before)
    {
        switch (contents)
        {
            case "folder":
                Directory.CreateDirectory(file);
                return;
            case "another key":
                using (ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP384))
                    File.WriteAllText(file, key.ExportPkcs8PrivateKeyPem());
                break;
            case "another certificate":
                File.WriteAllText(file, $"-----BEGIN CERTIFICATE-----\n{Convert.ToBase64String(new byte[60])}\n-----END CERTIFICATE-----\n");
                break;
            default:
                File.WriteAllText(file, contents switch { "empty" => "", "junk" => new string('x', 2000), _ => before[..(before.Length / 2)] });
                break;
        }
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static void Restore(string file, byte[] contents)
    {
        if (Directory.Exists(file))
            Directory.Delete(file, recursive: true);
        File.WriteAllBytes(file, contents);
    }

    // In a mount namespace of its own, the device is not there: an interface cannot come up, whatever else would be possible.
    private static Command WithoutTun(MeshNode node, string[] call)
    {
        Command command = node.Call(call);
        return new Command(["unshare", "--mount", "sh", "-c", "mount -t tmpfs tmpfs /dev/net && exec \"$@\"", "sh", .. command.Line]) { Environment = command.Environment };
    }

    private static Command Isolated(string folder, string[] call) => new([Repository.Program, .. call])
    {
        Environment = new Dictionary<string, string>
        {
            ["HOME"] = folder,
            ["KEDGE_LOGIN_FILE"] = Path.Combine(folder, "login.json"),
            ["KEDGE_STATE_DIR"] = Path.Combine(folder, "state"),
            ["KEDGE_RUN_DIR"] = Path.Combine(folder, "run"),
            ["KEDGE_RUNTIME_DIR"] = Path.Combine(folder, "wg"),
        },
    };
}
